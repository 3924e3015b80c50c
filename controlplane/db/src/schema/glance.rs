//! Glance's tables at revision `2024_1_contract01`, with its names, types, order of columns,
//! indexes and constraints.
//!
//! They are as the migrations leave them (`glance/db/sqlalchemy/alembic_migrations`), not as
//! `models.py` would make them: columns added later stand at the end. Invariant: a database made
//! from these is one that Glance takes for its own.

use super::describe::Kind::{
    Big, Bool, BoolUnchecked, BoolUncheckedOnSqlite, Int, LongText, RowId, RowIdWide, Text, Time,
    Visibility, Wide,
};
use super::describe::{Column, Preset, Table, may, must, preset};

/// All of them, those others refer to first.
pub(crate) const TABLES: [Table; 16] = [
    Table {
        name: "alembic_version",
        columns: &[must("version_num", Text(32))],
        primary: ("alembic_version_pkc", &["version_num"]),
        unique: &[],
        foreign: &[],
        indexes: &[],
    },
    IMAGES,
    IMAGE_PROPERTIES,
    IMAGE_LOCATIONS,
    IMAGE_MEMBERS,
    IMAGE_TAGS,
    TASKS,
    Table {
        name: "task_info",
        columns: &[
            must("task_id", Text(36)),
            may("input", LongText),
            may("result", LongText),
            may("message", LongText),
        ],
        primary: ("", &["task_id"]),
        unique: &[],
        foreign: &[("task_id", "tasks", "id")],
        indexes: &[],
    },
    METADEF_NAMESPACES,
    Table {
        name: "metadef_resource_types",
        columns: &[
            must("id", RowId),
            must("name", Text(80)),
            must("protected", Bool),
            must("created_at", Time),
            may("updated_at", Time),
        ],
        primary: ("", &["id"]),
        unique: &[("uq_metadef_resource_types_name", &["name"])],
        foreign: &[],
        indexes: &[],
    },
    Table {
        name: "metadef_namespace_resource_types",
        columns: &[
            must("resource_type_id", Int),
            must("namespace_id", Int),
            may("properties_target", Text(80)),
            may("prefix", Text(80)),
            must("created_at", Time),
            may("updated_at", Time),
        ],
        primary: ("", &["resource_type_id", "namespace_id"]),
        unique: &[],
        foreign: &[
            ("namespace_id", "metadef_namespaces", "id"),
            ("resource_type_id", "metadef_resource_types", "id"),
        ],
        indexes: &[("ix_metadef_ns_res_types_namespace_id", &["namespace_id"])],
    },
    METADEF_OBJECTS,
    Table {
        name: "metadef_properties",
        columns: &[
            must("id", RowId),
            must("namespace_id", Int),
            must("name", Text(80)),
            must("json_schema", LongText),
            must("created_at", Time),
            may("updated_at", Time),
        ],
        primary: ("", &["id"]),
        unique: &[("uq_metadef_properties_namespace_id_name", &["namespace_id", "name"])],
        foreign: &[("namespace_id", "metadef_namespaces", "id")],
        indexes: &[("ix_metadef_properties_name", &["name"])],
    },
    Table {
        name: "metadef_tags",
        columns: &[
            must("id", RowId),
            must("namespace_id", Int),
            must("name", Text(80)),
            must("created_at", Time),
            may("updated_at", Time),
        ],
        primary: ("", &["id"]),
        unique: &[("uq_metadef_tags_namespace_id_name", &["namespace_id", "name"])],
        foreign: &[("namespace_id", "metadef_namespaces", "id")],
        indexes: &[("ix_metadef_tags_name", &["name"])],
    },
    Table {
        name: "node_reference",
        columns: &[must("node_reference_id", RowIdWide), must("node_reference_url", Text(255))],
        primary: ("", &["node_reference_id"]),
        unique: &[("uq_node_reference_node_reference_url", &["node_reference_url"])],
        foreign: &[],
        indexes: &[],
    },
    CACHED_IMAGES,
];

const CREATED: Column = must("created_at", Time);
const UPDATED: Column = may("updated_at", Time);
const DELETED_AT: Column = may("deleted_at", Time);
const DELETED: Column = must("deleted", Bool);

const IMAGES: Table = Table {
    name: "images",
    columns: &[
        must("id", Text(36)),
        may("name", Text(255)),
        may("size", Wide),
        must("status", Text(30)),
        CREATED,
        UPDATED,
        DELETED_AT,
        must("deleted", BoolUncheckedOnSqlite),
        may("disk_format", Text(20)),
        may("container_format", Text(20)),
        may("checksum", Text(32)),
        may("owner", Text(255)),
        must("min_disk", Int),
        must("min_ram", Int),
        preset("protected", BoolUncheckedOnSqlite, Preset::Number(0)),
        may("virtual_size", Wide),
        preset("visibility", Visibility, Preset::Text("shared")),
        preset("os_hidden", BoolUnchecked, Preset::Number(0)),
        may("os_hash_algo", Text(64)),
        may("os_hash_value", Text(128)),
    ],
    primary: ("", &["id"]),
    unique: &[],
    foreign: &[],
    indexes: &[
        ("checksum_image_idx", &["checksum"]),
        ("created_at_image_idx", &["created_at"]),
        ("ix_images_deleted", &["deleted"]),
        ("os_hash_value_image_idx", &["os_hash_value"]),
        ("os_hidden_image_idx", &["os_hidden"]),
        ("owner_image_idx", &["owner"]),
        ("updated_at_image_idx", &["updated_at"]),
        ("visibility_image_idx", &["visibility"]),
    ],
};

const IMAGE_PROPERTIES: Table = Table {
    name: "image_properties",
    columns: &[
        must("id", RowId),
        must("image_id", Text(36)),
        must("name", Text(255)),
        may("value", LongText),
        CREATED,
        UPDATED,
        DELETED_AT,
        DELETED,
    ],
    primary: ("", &["id"]),
    unique: &[("ix_image_properties_image_id_name", &["image_id", "name"])],
    foreign: &[("image_id", "images", "id")],
    indexes: &[
        ("ix_image_properties_deleted", &["deleted"]),
        ("ix_image_properties_image_id", &["image_id"]),
    ],
};

const IMAGE_LOCATIONS: Table = Table {
    name: "image_locations",
    columns: &[
        must("id", RowId),
        must("image_id", Text(36)),
        must("value", LongText),
        CREATED,
        UPDATED,
        DELETED_AT,
        DELETED,
        may("meta_data", LongText),
        preset("status", Text(30), Preset::Text("active")),
    ],
    primary: ("", &["id"]),
    unique: &[],
    foreign: &[("image_id", "images", "id")],
    indexes: &[
        ("ix_image_locations_deleted", &["deleted"]),
        ("ix_image_locations_image_id", &["image_id"]),
    ],
};

const IMAGE_MEMBERS: Table = Table {
    name: "image_members",
    columns: &[
        must("id", RowId),
        must("image_id", Text(36)),
        must("member", Text(255)),
        must("can_share", Bool),
        CREATED,
        UPDATED,
        DELETED_AT,
        DELETED,
        preset("status", Text(20), Preset::Text("pending")),
    ],
    primary: ("", &["id"]),
    unique: &[(
        "image_members_image_id_member_deleted_at_key",
        &["image_id", "member", "deleted_at"],
    )],
    foreign: &[("image_id", "images", "id")],
    indexes: &[
        ("ix_image_members_deleted", &["deleted"]),
        ("ix_image_members_image_id", &["image_id"]),
        ("ix_image_members_image_id_member", &["image_id", "member"]),
    ],
};

const IMAGE_TAGS: Table = Table {
    name: "image_tags",
    columns: &[
        must("id", RowId),
        must("image_id", Text(36)),
        must("value", Text(255)),
        CREATED,
        UPDATED,
        DELETED_AT,
        DELETED,
    ],
    primary: ("", &["id"]),
    unique: &[],
    foreign: &[("image_id", "images", "id")],
    indexes: &[
        ("ix_image_tags_image_id", &["image_id"]),
        ("ix_image_tags_image_id_tag_value", &["image_id", "value"]),
    ],
};

const TASKS: Table = Table {
    name: "tasks",
    columns: &[
        must("id", Text(36)),
        must("type", Text(30)),
        must("status", Text(30)),
        must("owner", Text(255)),
        may("expires_at", Time),
        CREATED,
        UPDATED,
        DELETED_AT,
        DELETED,
        may("image_id", Text(36)),
        may("request_id", Text(64)),
        may("user_id", Text(64)),
    ],
    primary: ("", &["id"]),
    unique: &[],
    foreign: &[],
    indexes: &[
        ("ix_tasks_deleted", &["deleted"]),
        ("ix_tasks_image_id", &["image_id"]),
        ("ix_tasks_owner", &["owner"]),
        ("ix_tasks_status", &["status"]),
        ("ix_tasks_type", &["type"]),
        ("ix_tasks_updated_at", &["updated_at"]),
    ],
};

const METADEF_NAMESPACES: Table = Table {
    name: "metadef_namespaces",
    columns: &[
        must("id", RowId),
        must("namespace", Text(80)),
        may("display_name", Text(80)),
        may("description", LongText),
        may("visibility", Text(32)),
        may("protected", Bool),
        must("owner", Text(255)),
        CREATED,
        UPDATED,
    ],
    primary: ("", &["id"]),
    unique: &[("uq_metadef_namespaces_namespace", &["namespace"])],
    foreign: &[],
    indexes: &[("ix_metadef_namespaces_owner", &["owner"])],
};

const METADEF_OBJECTS: Table = Table {
    name: "metadef_objects",
    columns: &[
        must("id", RowId),
        must("namespace_id", Int),
        must("name", Text(80)),
        may("description", LongText),
        may("required", LongText),
        must("json_schema", LongText),
        CREATED,
        UPDATED,
    ],
    primary: ("", &["id"]),
    unique: &[("uq_metadef_objects_namespace_id_name", &["namespace_id", "name"])],
    foreign: &[("namespace_id", "metadef_namespaces", "id")],
    indexes: &[("ix_metadef_objects_name", &["name"])],
};

const CACHED_IMAGES: Table = Table {
    name: "cached_images",
    columns: &[
        must("id", RowIdWide),
        must("image_id", Text(36)),
        must("last_accessed", Time),
        must("last_modified", Time),
        must("size", Big),
        must("hits", Int),
        may("checksum", Text(32)),
        must("node_reference_id", Wide),
    ],
    primary: ("", &["id"]),
    unique: &[("ix_cached_images_image_id_node_reference_id", &["image_id", "node_reference_id"])],
    foreign: &[("node_reference_id", "node_reference", "node_reference_id")],
    indexes: &[],
};
