//! The paste file: found and read, and what identity it asks for.
//!
//! What its filters do around the API is [`crate::edge`]'s. Invariant: a paste file that asks for
//! something this build cannot do stops the start.

use crate::configuration::{Configuration, read_file};
use crate::exit::Failure;
use controlplane_api::{Identity, IdentityOptions};
use glint_config::Reader;
use glint_config::paste::{PasteFile, Pipeline};
use std::path::{Path, PathBuf};

/// A pipeline, and the file it is from.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) file: String,
    pub(crate) pipeline: Pipeline,
    pub(crate) identity: Identity,
}

/// Reads the paste file that the configuration names or that lies where Glance looks for it
/// (`glance/common/config.py`, `_get_deployment_config_file`). Where there is none, Glance's own
/// stands in.
pub(crate) fn read(configuration: &Configuration) -> Result<Chosen, Failure> {
    let reader = Reader::new(configuration.config());
    let text = |name| reader.text("paste_deploy", name).map_err(Failure::configuration);
    let named = text("config_file")?.map(|path| std::path::absolute(&path).unwrap_or(path.into()));
    let path = named.or_else(|| beside(configuration));
    let stands_in = path.is_none();
    let file = match path {
        Some(path) => {
            let bytes = read_file(&path)?;
            let name = path.display().to_string();
            PasteFile::parse(&name, &bytes).map_err(Failure::configuration)?
        }
        None => PasteFile::shipped(),
    };
    let mut pipeline = file.pipeline(text("flavor")?.as_deref()).map_err(Failure::configuration)?;
    if stands_in {
        give_way(&mut pipeline, &reader);
    }
    let options = IdentityOptions {
        allow_anonymous_access: reader
            .switch("DEFAULT", "allow_anonymous_access")
            .map_err(Failure::configuration)?,
        max_request_id_length: reader
            .number("DEFAULT", "max_request_id_length")
            .map_err(Failure::configuration)?
            .unwrap_or_default(),
    };
    let identity = Identity::of(&pipeline, options)
        .map_err(|error| Failure::configuration(format!("{}: {error}", file.name())))?;
    Ok(Chosen { file: file.name().to_owned(), pipeline, identity })
}

/// Options of a paste file win over those of the configuration; those of the one that stands in do
/// not: no operator wrote them.
pub(crate) fn give_way(pipeline: &mut Pipeline, reader: &Reader<'_>) {
    for mount in &mut pipeline.beside {
        mount.options.retain(|name, _| {
            let known = glint_config::options::find("healthcheck", name).is_some();
            !known || !reader.is_set("healthcheck", name)
        });
    }
}

/// `NAME-paste.ini` for the last configuration file `NAME.conf`, looked for like any file of the
/// configuration.
fn beside(configuration: &Configuration) -> Option<PathBuf> {
    let name = configuration.last_file()?.file_name()?.to_str()?.replace(".conf", "-paste.ini");
    let found = configuration.folders().into_iter().map(|folder| folder.join(&name));
    found.into_iter().find(|path| path.is_file() && !is_itself(configuration, path))
}

/// A configuration file without `.conf` in its name would be found as its own paste file.
fn is_itself(configuration: &Configuration, path: &Path) -> bool {
    configuration.last_file().and_then(|file| std::path::absolute(file).ok()).as_deref()
        == Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Role};

    /// What a configuration file with a paste file beside it makes.
    fn chosen(conf: &str, paste: Option<&str>) -> Result<Chosen, String> {
        let dir = std::env::temp_dir().join(format!("glint-paste-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&dir).expect("the temporary directory is writable");
        let file = dir.join("glance-api.conf");
        std::fs::write(&file, conf.replace("HERE", &dir.display().to_string())).expect("written");
        if let Some(paste) = paste {
            std::fs::write(dir.join("glance-api-paste.ini"), paste).expect("written");
        }
        let line = ["glint".into(), "serve".into(), "--config-file".into(), file.into_os_string()];
        let Role::Serve(serve) = cli::parse(line) else { unreachable!("it is asked to serve") };
        let configuration = crate::configuration::read(&serve.common);
        let chosen = configuration.and_then(|configuration| read(&configuration));
        std::fs::remove_dir_all(&dir).expect("removed");
        chosen.map_err(|failure| format!("{failure:?}"))
    }

    const OWN: &str = "[pipeline:glance-api-trusted]\npipeline = context rootapp\n\
        [app:rootapp]\npaste.app_factory = glance.api.v2.router:API.factory\n\
        [filter:context]\n\
        paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory\n";

    #[test]
    fn a_file_beside_the_configuration_is_found() {
        let conf = "[paste_deploy]\nflavor = trusted\n";
        let found = chosen(conf, Some(OWN)).expect("a pipeline");
        assert!(found.file.ends_with("/glance-api-paste.ini"), "{}", found.file);
        assert!(!found.identity.is_unauthenticated());
        let named = "[paste_deploy]\nflavor = trusted\nconfig_file = HERE/glance-api-paste.ini\n";
        let named = chosen(named, Some(OWN)).expect("a pipeline");
        assert!(named.file.ends_with("/glance-api-paste.ini"), "{}", named.file);
        assert_eq!(named.identity, found.identity);
    }

    #[test]
    fn without_a_file_glances_own_stands_in() {
        let found = chosen("[DEFAULT]\ndebug = false\n", None).expect("a pipeline");
        assert!(found.identity.is_unauthenticated());
        let keystone = chosen("[paste_deploy]\nflavor = keystone\n", None).expect_err("refused");
        assert!(keystone.contains("asks for Keystone"), "{keystone}");
        let other = chosen("[paste_deploy]\nflavor = other\n", None).expect_err("refused");
        assert!(other.contains("[glance-api-other]: there is no such section"), "{other}");
        let missing = chosen("[paste_deploy]\nconfig_file = /nowhere/x.ini\n", None);
        assert!(missing.expect_err("refused").contains("cannot read /nowhere/x.ini"));
    }
}
