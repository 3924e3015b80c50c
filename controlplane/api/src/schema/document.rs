//! The schema documents of images (Glance: `glance/api/v2/images.py`, `get_base_properties`).
//!
//! They are part of the wire contract, down to the order of their keys and the wording of the
//! descriptions: clients build their forms from them.

use serde_json::{Map, Value, json};

use crate::options::ApiOptions;

/// The schema of one image; also what bodies are checked against.
pub(crate) fn image(options: &ApiOptions) -> Value {
    json!({
        "name": "image",
        "properties": properties(options),
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    })
}

/// The schema of a list of images.
pub(crate) fn images(options: &ApiOptions) -> Value {
    json!({
        "name": "images",
        "properties": {
            "images": {"type": "array", "items": image(options)},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    })
}

fn or_null(formats: &[String]) -> Vec<Option<&str>> {
    std::iter::once(None).chain(formats.iter().map(|format| Some(format.as_str()))).collect()
}

/// The attributes, in the order of Glance's document.
fn properties(options: &ApiOptions) -> Value {
    let parts = [identity(), bytes(), format(options), links()];
    let mut properties: Map<String, Value> = parts
        .into_iter()
        .flat_map(|part| match part {
            Value::Object(members) => members,
            _ => unreachable!("every part is an object"),
        })
        .collect();
    properties.insert("locations".to_owned(), locations());
    Value::Object(properties)
}

fn identity() -> Value {
    json!({
        "id": {
            "type": "string",
            "description": "An identifier for the image",
            "pattern": "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}\
                        -([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$",
        },
        "name": {
            "type": ["null", "string"],
            "description": "Descriptive name for the image",
            "maxLength": 255,
        },
        "status": {
            "type": "string",
            "readOnly": true,
            "description": "Status of the image",
            "enum": [
                "queued",
                "saving",
                "active",
                "killed",
                "deleted",
                "uploading",
                "importing",
                "pending_delete",
                "deactivated",
            ],
        },
        "visibility": {
            "type": "string",
            "description": "Scope of image accessibility",
            "enum": ["community", "public", "private", "shared"],
        },
        "protected": {"type": "boolean", "description": "If true, image will not be deletable."},
        "os_hidden": {
            "type": "boolean",
            "description": "If true, image will not appear in default image list response.",
        },
    })
}

fn bytes() -> Value {
    json!({
        "checksum": {
            "type": ["null", "string"],
            "readOnly": true,
            "description": "md5 hash of image contents.",
            "maxLength": 32,
        },
        "os_hash_algo": {
            "type": ["null", "string"],
            "readOnly": true,
            "description": "Algorithm to calculate the os_hash_value",
            "maxLength": 64,
        },
        "os_hash_value": {
            "type": ["null", "string"],
            "readOnly": true,
            "description": "Hexdigest of the image contents using the algorithm \
                           specified by the os_hash_algo",
            "maxLength": 128,
        },
        "owner": {
            "type": ["null", "string"],
            "description": "Owner of the image",
            "maxLength": 255,
        },
        "size": {
            "type": ["null", "integer"],
            "readOnly": true,
            "description": "Size of image file in bytes",
        },
        "virtual_size": {
            "type": ["null", "integer"],
            "readOnly": true,
            "description": "Virtual size of image in bytes",
        },
    })
}

fn format(options: &ApiOptions) -> Value {
    json!({
        "container_format": {
            "type": ["null", "string"],
            "description": "Format of the container",
            "enum": or_null(&options.container_formats),
        },
        "disk_format": {
            "type": ["null", "string"],
            "description": "Format of the disk",
            "enum": or_null(&options.disk_formats),
        },
        "created_at": {
            "type": "string",
            "readOnly": true,
            "description": "Date and time of image registration",
        },
        "updated_at": {
            "type": "string",
            "readOnly": true,
            "description": "Date and time of the last image modification",
        },
        "tags": {
            "type": "array",
            "description": "List of strings related to the image",
            "items": {"type": "string", "maxLength": 255},
        },
        "direct_url": {
            "type": "string",
            "readOnly": true,
            "description": "URL to access the image file kept in external store",
        },
        "min_ram": {
            "type": "integer",
            "description": "Amount of ram (in MB) required to boot image.",
        },
        "min_disk": {
            "type": "integer",
            "description": "Amount of disk space (in GB) required to boot image.",
        },
    })
}

fn links() -> Value {
    json!({
        "self": {"type": "string", "readOnly": true, "description": "An image self url"},
        "file": {"type": "string", "readOnly": true, "description": "An image file url"},
        "stores": {
            "type": "string",
            "readOnly": true,
            "description": "Store in which image data resides.  Only present when the \
                           operator has enabled multiple stores.  May be a \
                           comma-separated list of store identifiers.",
        },
        "schema": {"type": "string", "readOnly": true, "description": "An image schema url"},
    })
}

/// The schema of a request that adds a location (`get_location_schema`); shown to nobody.
#[must_use]
pub(crate) fn location() -> Value {
    json!({
        "name": "location",
        "properties": {
            "add_location": {
                "type": "object",
                "description": "Values of location url, do_secure_hash and validation_data for new \
                               add location API",
                "properties": {
                    "url": {
                        "type": "string",
                        "readOnly": true,
                        "description": "The URL of the new location to be added in the image.",
                    },
                    "validation_data": {
                        "description": "Values to be used to populate the corresponding image \
                                       properties.do_secure_hash is not True then image checksum \
                                       and hash will not be calculated so it is the \
                                       responsibility of the consumer of location ADD API to \
                                       provide the correct values in the validation_data \
                                       parameter",
                        "type": "object",
                        "writeOnly": true,
                        "additionalProperties": false,
                        "properties": {
                            "os_hash_algo": {
                                "type": "string",
                                "maxLength": 64,
                                "enum": ["sha1", "sha256", "sha512", "md5"],
                            },
                            "os_hash_value": {"type": "string", "maxLength": 128},
                        },
                        "dependentRequired": {
                            "os_hash_value": ["os_hash_algo"],
                            "os_hash_algo": ["os_hash_value"],
                        },
                    },
                },
                "required": ["url"],
            },
        },
        "additionalProperties": {"type": "string"},
    })
}

fn locations() -> Value {
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "url": {"type": "string", "maxLength": 255},
                "metadata": {"type": "object"},
                "validation_data": {
                    "description": "Values to be used to populate the corresponding \
                                   image properties. If the image status is not \
                                   'queued', values must exactly match those \
                                   already contained in the image properties.",
                    "type": "object",
                    "writeOnly": true,
                    "additionalProperties": false,
                    "properties": {
                        "checksum": {"type": "string", "minLength": 32, "maxLength": 32},
                        "os_hash_algo": {"type": "string", "maxLength": 64},
                        "os_hash_value": {"type": "string", "maxLength": 128},
                    },
                    "required": ["os_hash_algo", "os_hash_value"],
                },
            },
            "required": ["url", "metadata"],
        },
        "description": "A set of URLs to access the image file kept in external store",
    })
}
