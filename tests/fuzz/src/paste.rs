//! Paste files: whatever stands in them, loading ends, and ends in the same.

use glint_config::paste::PasteFile;

/// Reads the bytes as a paste file and loads two flavors of it.
///
/// # Panics
/// If a loaded pipeline is another when it is loaded again, or a filter has no name.
pub fn paste(bytes: &[u8]) {
    let Ok(file) = PasteFile::parse("/etc/glance/paste.ini", bytes) else { return };
    for flavor in [None, Some("keystone")] {
        let loaded = file.pipeline(flavor);
        assert_eq!(loaded, file.pipeline(flavor), "loaded again");
        if let Ok(pipeline) = loaded {
            assert!(pipeline.filters.iter().all(|filter| !filter.name.is_empty()));
            assert!(pipeline.beside.iter().all(|mount| !mount.path.ends_with('/')));
        }
    }
}

pub(crate) fn examples() -> Vec<Vec<u8>> {
    let examples = [
        "[pipeline:glance-api]\npipeline = context rootapp\nfilter-with = gzip\n\
         [app:rootapp]\npaste.app_factory = glance.api.v2.router:API.factory\n\
         [filter:context]\nuse = base\nset x = %(here)s\nget y = x\n[filter:base]\n\
         paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory\n\
         [filter:gzip]\npaste.filter_factory = glance.api.middleware.gzip:GzipMiddleware.factory\n",
        "[DEFAULT]\na = %(b)s%(b)s\nb = %%\n[composite:glance-api]\nuse = egg:Paste#urlmap\n\
         /: api\n/healthcheck: health\n[composite:api]\n\
         paste.composite_factory = glance.api:pipeline_factory\ndefault = cors\n    rootapp\n\
         keystone = cors rootapp\n[app:rootapp]\n\
         paste.app_factory = glance.api.v2.router:API.factory\n[filter:cors]\n\
         use = egg:oslo.middleware#cors\n[app:health]\n\
         paste.app_factory = oslo_middleware:Healthcheck.app_factory\n",
        "[pipeline:glance-api]\npipeline = glance-api\n[filter:a]\nuse = b\n[filter:b]\nuse = a\n",
    ];
    examples.map(|text| text.as_bytes().to_vec()).to_vec()
}
