//! The options of `glance-api.conf` that shape the API, with Glance's defaults.
//!
//! Leaves reading files to `shared/config`. Invariant: `Default` is what Glance does without a
//! configuration file (no `enabled_backends`, no image cache).

use std::sync::Arc;

use controlplane_domain::property_protection::PropertyRules;
use controlplane_domain::quota::{Quotas, StorageQuota};
use controlplane_domain::uri::UriFilter;

/// How the API behaves. Names are those of Glance's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiOptions {
    /// Base URL in the versions document; without it the request's own host is used.
    pub public_endpoint: Option<String>,
    /// Page size of a list without `limit`.
    pub limit_param_default: u32,
    /// Largest page size; a larger `limit` is cut to it silently.
    pub api_limit_max: u32,
    /// Most custom properties per image; negative: no limit.
    pub image_property_quota: i64,
    /// Most tags per image; negative: no limit.
    pub image_tag_quota: i64,
    /// Most members per image; negative: no limit.
    pub image_member_quota: i64,
    /// Most locations per image; negative: no limit.
    pub image_location_quota: i64,
    /// Largest image, in bytes.
    pub image_size_cap: u64,
    /// Most bytes that the images of one project may take together.
    pub user_storage_quota: StorageQuota,
    /// Who may do what to custom properties; without it everybody may do everything.
    pub property_protection: Option<Arc<PropertyRules>>,
    /// `[image_format] disk_formats`, in the order the schema shows them.
    pub disk_formats: Vec<String>,
    /// `[image_format] container_formats`, in the order the schema shows them.
    pub container_formats: Vec<String>,
    /// Name of the hash in `os_hash_algo` of new data.
    pub hashing_algorithm: String,
    /// Whether images show where their data lies first.
    pub show_image_direct_url: bool,
    /// Whether images show all locations.
    pub show_multiple_locations: bool,
    /// Whether images may lie on HTTP servers (`[glance_store] stores` with `http`).
    pub http_store: bool,
    /// Which hosts may be asked on a caller's behalf.
    pub import_filter: UriFilter,
    /// `do_secure_hash`: whether digests given with a location are compared with the bytes.
    pub do_secure_hash: bool,
    /// Import methods announced at image creation; none: the header is left out.
    pub enabled_import_methods: Vec<String>,
    /// `[task] task_time_to_live`: how long a task is kept after its end, in hours.
    pub task_time_to_live_hours: i64,
}

impl Default for ApiOptions {
    fn default() -> Self {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Self {
            public_endpoint: None,
            limit_param_default: 25,
            api_limit_max: 1000,
            image_property_quota: 128,
            image_tag_quota: 128,
            image_member_quota: 128,
            image_location_quota: 10,
            image_size_cap: 1 << 40,
            user_storage_quota: StorageQuota::default(),
            property_protection: None,
            disk_formats: list(&[
                "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop",
            ]),
            container_formats: list(&[
                "ami",
                "ari",
                "aki",
                "bare",
                "ovf",
                "ova",
                "docker",
                "compressed",
            ]),
            hashing_algorithm: "sha512".to_owned(),
            show_image_direct_url: false,
            show_multiple_locations: false,
            http_store: true,
            import_filter: UriFilter::default(),
            do_secure_hash: true,
            // `glance-direct`, `web-download` and `copy-image` are Glance's default; none of them
            // is offered until imports exist here.
            enabled_import_methods: Vec::new(),
            task_time_to_live_hours: 48,
        }
    }
}

impl ApiOptions {
    /// The limits per image, as the domain takes them.
    #[must_use]
    pub fn quotas(&self) -> Quotas {
        Quotas {
            properties: self.image_property_quota,
            tags: self.image_tag_quota,
            locations: self.image_location_quota,
        }
    }

    /// The schemes of URLs at which bytes may lie that are not this service's own.
    #[must_use]
    pub(crate) fn remote_schemes(&self) -> &'static [&'static str] {
        if self.http_store { &["http", "https"] } else { &[] }
    }

    /// The minor versions `/v2.N` that this deployment answers, in the order of the versions
    /// document (`glance/api/versions.py`, `Controller.index`). 2.8 and 2.10 to 2.13 come with
    /// `enabled_backends`, 2.14, 2.16 and 2.18 with an image cache.
    #[must_use]
    pub fn minor_versions(&self) -> &'static [u16] {
        &[15, 9, 17, 7, 6, 5, 4, 3, 2, 1, 0]
    }
}
