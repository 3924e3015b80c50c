//! The policy files of the operator: found, read, and read again when they change.
//!
//! What rules mean is `glint-policy`'s. Invariants: the first reading has to succeed; later, files
//! that cannot be read or understood leave the rules as they are and are named in the log, once for
//! each state of the files; a change is in force within [`LOOK_EVERY`] and the time of reading.

use crate::plane::Plane;
use controlplane_api::App;
use controlplane_domain::Policy;
use glint_image::limits::{CONFIG_FILE_BYTES_MAX, CONFIG_FILES_MAX};
use glint_policy::glance::Sources;
use glint_policy::{FileError, Finding};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often it is looked whether the files changed.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// `[oslo_policy]`, and where its files are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFiles {
    /// Folders in which files are looked for, in this order (`oslo_config/cfg.py`, `find_file`).
    pub folders: Vec<PathBuf>,
    /// `policy_file`; need not exist.
    pub file: PathBuf,
    /// `policy_dirs`; need not exist. Their files win over `file`, later ones over earlier ones.
    pub dirs: Vec<PathBuf>,
    /// `policy_default_rule`.
    pub default_rule: String,
    /// `enforce_new_defaults`.
    pub enforce_new_defaults: bool,
}

/// Why the policy files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The system does not let them be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, #[source] io::Error),
    /// Larger than any policy file.
    #[error("{0}: over {CONFIG_FILE_BYTES_MAX} bytes")]
    TooLarge(PathBuf),
    /// More than anybody would look through.
    #[error("more than {CONFIG_FILES_MAX} policy files")]
    TooMany,
    /// One of them is not YAML, or maps no names to rules.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] FileError),
}

/// What is there: enough to notice a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State(Vec<Seen>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    changed: Option<SystemTime>,
    bytes: u64,
}

// === impl PolicyFiles ===

impl Default for PolicyFiles {
    /// Glance's defaults, and nowhere to look.
    fn default() -> Self {
        let Sources { default_rule, enforce_new_defaults, .. } = Sources::default();
        Self {
            folders: Vec::new(),
            file: PathBuf::from("policy.yaml"),
            dirs: vec![PathBuf::from("policy.d")],
            default_rule,
            enforce_new_defaults,
        }
    }
}

impl PolicyFiles {
    /// What is there now. What cannot be looked at counts as not there; reading says why.
    pub(crate) fn look(&self) -> State {
        let found = self.paths().unwrap_or_default();
        State(found.into_iter().map(seen).collect())
    }

    /// Reads what is there and makes rules of it.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub(crate) fn read(&self, version: u64) -> Result<(Policy, Vec<Finding>), PolicyError> {
        let paths = self.paths()?;
        let mut files = Vec::new();
        for path in &paths {
            let text = read_file(path)?;
            // For its name in the error; all are compiled together below.
            if let Err(error) = glint_policy::parse_file(&text) {
                return Err(PolicyError::File(path.clone(), error));
            }
            files.push(text);
        }
        let sources = Sources {
            default_rule: self.default_rule.clone(),
            enforce_new_defaults: self.enforce_new_defaults,
            files,
        };
        Policy::new(sources, version).map_err(|error| PolicyError::File(self.file.clone(), error))
    }

    /// The files that are there, in the order in which they count.
    fn paths(&self) -> Result<Vec<PathBuf>, PolicyError> {
        let mut paths = Vec::new();
        paths.extend(self.find(&self.file));
        for dir in self.dirs.iter().filter_map(|dir| self.find(dir)) {
            let fail = |error| PolicyError::Read(dir.clone(), error);
            let mut files = Vec::new();
            for entry in std::fs::read_dir(&dir).map_err(fail)? {
                let entry = entry.map_err(fail)?;
                let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
                if !is_hidden && entry.path().is_file() {
                    files.push(entry.path());
                }
                if files.len() + paths.len() > CONFIG_FILES_MAX {
                    return Err(PolicyError::TooMany);
                }
            }
            files.sort();
            paths.extend(files);
        }
        Ok(paths)
    }

    /// The first of that name; an absolute name is found wherever it is.
    fn find(&self, name: &Path) -> Option<PathBuf> {
        if name.is_absolute() {
            return Some(name.to_owned()).filter(|path| path.exists());
        }
        self.folders.iter().map(|folder| folder.join(name)).find(|path| path.exists())
    }
}

fn seen(path: PathBuf) -> Seen {
    let metadata = std::fs::metadata(&path).ok();
    let changed = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    Seen { path, changed, bytes: metadata.map_or(0, |metadata| metadata.len()) }
}

fn read_file(path: &Path) -> Result<String, PolicyError> {
    let fail = |error| PolicyError::Read(path.to_owned(), error);
    let mut text = String::new();
    let file = File::open(path).map_err(fail)?;
    let read = file.take(CONFIG_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(fail)?;
    if read as u64 > CONFIG_FILE_BYTES_MAX {
        return Err(PolicyError::TooLarge(path.to_owned()));
    }
    Ok(text)
}

/// Puts the rules in force for the first time.
pub(crate) fn start(app: &App, files: &PolicyFiles) -> Result<State, PolicyError> {
    let state = files.look();
    let (policy, findings) = files.read(0)?;
    log(&findings);
    app.set_policy(policy);
    Ok(state)
}

/// Runs until dropped; `state` is what the rules in force were made of.
pub(crate) async fn run(plane: Arc<Plane>, files: Arc<PolicyFiles>, mut state: State) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let (plane, files) = (Arc::clone(&plane), Arc::clone(&files));
        // The file system may hang; requests do not wait for it.
        let looked = tokio::task::spawn_blocking(move || renew(&plane.app, &files, state));
        match looked.await {
            Ok(new) => state = new,
            Err(_) => return,
        }
    }
}

/// Reads the files if they changed. A file that is gone is a change like any other.
fn renew(app: &App, files: &PolicyFiles, state: State) -> State {
    let new = files.look();
    if new == state {
        return state;
    }
    match files.read(app.policy().version() + 1) {
        Ok((policy, findings)) => {
            tracing::info!(version = policy.version(), "the policy files changed and are in force");
            log(&findings);
            app.set_policy(policy);
        }
        Err(error) => {
            tracing::error!(%error, "the policy files cannot be used; the rules stay as they were");
        }
    }
    new
}

fn log(findings: &[Finding]) {
    for finding in findings {
        tracing::warn!("policy files: {finding}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controlplane_api::{ApiOptions, Identity};
    use controlplane_db::Database;
    use controlplane_domain::Context;
    use glint_image::Seq;
    use glint_link::replica::Millis;

    /// A folder that vanishes with the test, and an API.
    struct Place {
        dir: PathBuf,
        files: PolicyFiles,
        app: Arc<App>,
    }

    impl Place {
        async fn new() -> Self {
            let dir = std::env::temp_dir().join(format!("glint-policy-{}", uuid::Uuid::new_v4()));
            std::fs::create_dir_all(dir.join("policy.d")).unwrap();
            let url = format!("sqlite:///{}/db", dir.display());
            let db = Database::connect(&url).await.unwrap();
            let app = App::new(db, ApiOptions::default(), Identity::unauthenticated());
            let app = Arc::new(app);
            let files = PolicyFiles { folders: vec![dir.clone()], ..PolicyFiles::default() };
            Self { dir, files, app }
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.dir.join(name), text).unwrap();
        }

        /// Whether a caller without roles may list images.
        fn is_open(&self) -> bool {
            self.app.policy().get_images(&Context::default()).is_ok()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }

    #[tokio::test]
    async fn changes_are_in_force_and_faults_change_nothing() {
        let place = Place::new().await;
        let mut state = start(&place.app, &place.files).unwrap();
        let mut check = |open: bool, version: u64| {
            state = renew(&place.app, &place.files, state.clone());
            assert_eq!((place.is_open(), place.app.policy().version()), (open, version));
        };
        check(false, 0);
        place.write("policy.yaml", "get_images: '@'");
        check(true, 1);
        check(true, 1);
        place.write("policy.yaml", "- nonsense here");
        check(true, 1);
        place.write("policy.d/b.yaml", "get_images: '@'");
        place.write("policy.d/a.yaml", "get_images: '!'");
        place.write("policy.d/.c.yaml", "get_images: '!'");
        check(true, 1);
        place.write("policy.yaml", "{\"get_images\": \"!\"}");
        check(true, 2);
        std::fs::remove_file(place.dir.join("policy.d/b.yaml")).unwrap();
        check(false, 3);
        std::fs::remove_file(place.dir.join("policy.yaml")).unwrap();
        std::fs::remove_file(place.dir.join("policy.d/a.yaml")).unwrap();
        check(false, 4);
    }

    #[tokio::test]
    async fn a_faulty_file_stops_the_start_and_is_named() {
        let place = Place::new().await;
        place.write("policy.d/x.yaml", "a: [");
        let error = start(&place.app, &place.files).unwrap_err().to_string();
        assert!(error.contains("policy.d/x.yaml: policy file: "), "{error}");
        let dirs = vec![place.dir.join("policy.d/x.yaml")];
        let files = PolicyFiles { dirs, ..place.files.clone() };
        assert!(matches!(start(&place.app, &files), Err(PolicyError::Read(..))));
    }

    #[tokio::test]
    async fn a_change_is_noticed_without_being_asked_for() {
        let place = Place::new().await;
        let state = start(&place.app, &place.files).unwrap();
        let mut changed = place.app.policies();
        let db = place.app.database().clone();
        let plane = Plane::new(db, Arc::clone(&place.app), Millis(1_000), Seq(0));
        let running = tokio::spawn(run(Arc::new(plane), Arc::new(place.files.clone()), state));
        place.write("policy.yaml", "get_images: '@'");
        tokio::time::timeout(Duration::from_secs(60), changed.changed()).await.unwrap().unwrap();
        assert!(place.is_open());
        running.abort();
    }
}
