//! What `glance-manage db load_metadefs`, `unload_metadefs` and `export_metadefs` do with files.
//!
//! Leaves what a file says to `controlplane-domain` and the rows to `controlplane-db`. As in
//! Glance, what was done goes to the log, and a file that cannot be read is passed over; invariant:
//! a file is written whole or not at all.

use super::{Export, Load, refused};
use crate::exit::Failure;
use controlplane_db::metadefs::files::{Loaded, Merge, TABLES};
use controlplane_db::{DatabaseError, Upkeep, utc_now};
use controlplane_domain::metadefs::NamespaceFile;
use glint_image::limits::METADEF_FILE_BYTES_MAX;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Loads the files of a directory, or one file.
pub(super) async fn load(db: &Upkeep, flags: &Load, preset: &str) -> Result<(), Failure> {
    let Some(merge) = merge_of(flags) else { return Ok(()) };
    let path = flags.path().unwrap_or(preset);
    let files = match json_files(Path::new(path)) {
        Ok(files) if files.is_empty() => {
            tracing::error!("Json schema files not found in {path}. Aborting.");
            return Ok(());
        }
        Ok(files) => files,
        Err(error) => {
            tracing::error!("{path}: {error}");
            return Ok(());
        }
    };
    for path in files {
        match read(&path) {
            Ok(file) => load_one(db, &path, &file, merge).await?,
            Err(why) => tracing::error!(
                "Failed to parse json file {} while populating metadata due to: {why}",
                path.display()
            ),
        }
    }
    tracing::info!("Metadata loading finished");
    Ok(())
}

async fn load_one(
    db: &Upkeep,
    path: &Path,
    file: &NamespaceFile,
    merge: Merge,
) -> Result<(), Failure> {
    let (name, path) = (&file.namespace, path.display());
    match db.metadefs_load(file, merge, utc_now()).await {
        Ok(Loaded::Skipped) => {
            tracing::info!("Skipping namespace {name}. It already exists in the database.");
        }
        Ok(Loaded::Overwritten) => {
            tracing::info!("Overwriting namespace {name}");
            tracing::info!("File {path} loaded to database.");
        }
        Ok(Loaded::Written) => tracing::info!("File {path} loaded to database."),
        // What the tables cannot hold is the file's fault.
        Err(error @ (DatabaseError::Refused(_) | DatabaseError::Unfit(_))) => {
            tracing::error!("File {path}: {error}");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// What the flags ask for; `None`, with a word in the log, where they contradict each other.
fn merge_of(flags: &Load) -> Option<Merge> {
    match (flags.merge, flags.prefer_new, flags.overwrite) {
        (false, false, false) => Some(Merge::Skip),
        (true, false, false) => Some(Merge::Add),
        (true, true, false) => Some(Merge::PreferNew),
        (true, false, true) => Some(Merge::Overwrite),
        (false, _, _) => {
            tracing::error!(
                "To use --prefer_new or --overwrite you need to combine of these options with \
                 --merge option."
            );
            None
        }
        (true, true, true) => {
            tracing::error!(
                "Please provide no more than one option from this list: --prefer_new, --overwrite"
            );
            None
        }
    }
}

/// The file itself, or the `*.json` files of a directory in alphabetical order.
fn json_files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file.is_file() && file.to_str().is_some_and(|name| name.ends_with(".json")) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<NamespaceFile, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let limit = METADEF_FILE_BYTES_MAX;
    file.take(limit + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > limit {
        return Err(format!("over {limit} bytes"));
    }
    NamespaceFile::read(&text).map_err(|error| error.to_string())
}

/// Empties the tables.
pub(super) async fn unload(db: &Upkeep) -> Result<(), Failure> {
    db.metadefs_unload().await?;
    for table in TABLES {
        tracing::info!("Table {table} has been cleared");
    }
    Ok(())
}

/// Writes a file for each namespace.
pub(super) async fn export(db: &Upkeep, flags: &Export, preset: &str) -> Result<(), Failure> {
    let directory = Path::new(flags.path().unwrap_or(preset));
    let mut taken = BTreeSet::new();
    for file in db.metadefs_export().await? {
        let path = directory.join(free_name(&file, &mut taken));
        if path.is_file() {
            tracing::info!("Overwriting: {}", path.display());
        }
        write(&path, &file.write())
            .map_err(|error| refused(format!("ERROR: cannot write {}: {error}", path.display())))?;
        tracing::info!("Namespace {} saved in {}", file.namespace, path.display());
    }
    Ok(())
}

/// The name Glance gives the file; with a number where another namespace has it already.
fn free_name(file: &NamespaceFile, taken: &mut BTreeSet<String>) -> String {
    let stem = file.stem();
    let numbered = (2..).map(|number| format!("{stem}{number}.json"));
    let mut names = std::iter::once(format!("{stem}.json")).chain(numbered);
    let name = names.find(|name| taken.insert(name.clone()));
    name.expect("numbers do not end")
}

/// Writes a file beside its place and moves it there.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let part = path.with_extension("json.part");
    std::fs::write(&part, text)?;
    std::fs::rename(&part, path)
}
