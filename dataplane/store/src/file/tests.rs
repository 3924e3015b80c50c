//! Tests of the file store on real directories, with the bytes moved by both bulk engines.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use dataplane_io::{Arena, Bulk, BulkError, BulkOptions};
use glint_image::{Epoch, NodeId};

use super::*;
use crate::temp::{CreateError, LinkError, Temp, TempName};

/// A directory of its own for each test, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("glint-store-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a fresh directory");
        Self(path)
    }

    fn store(&self) -> FileStore {
        FileStore::open(&self.datadir()).expect("a store")
    }

    fn datadir(&self) -> PathBuf {
        self.0.join("images")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn name(epoch: u64) -> TempName {
    let image = ImageId::parse("71c675ab-d94f-49cd-a114-e12490b328d9").expect("a UUID");
    TempName { image, epoch: Epoch(epoch), node: NodeId([7; 16]) }
}

fn put(store: &FileStore, name: TempName, bytes: &[u8]) -> Temp {
    let temp = store.create_temp(name, Some(bytes.len() as u64)).expect("a temporary file");
    write(&temp, bytes, BulkOptions::default()).expect("room");
    store.truncate(&temp, bytes.len() as u64).expect("the exact length");
    temp
}

fn write(temp: &Temp, bytes: &[u8], options: BulkOptions) -> Result<(), BulkError> {
    let bulk = Bulk::start(options).expect("an engine");
    let arena = Arena::new(2).expect("memory");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut offset = 0;
        for piece in bytes.chunks(glint_image::limits::WRITE_BUFFER_BYTES) {
            let mut buffer = arena.take().await;
            assert_eq!(buffer.extend(piece), piece.len());
            let written = bulk.write_at(&temp.file, buffer.freeze(), offset).await;
            written.map_err(|failed| failed.error)?;
            offset += piece.len() as u64;
        }
        bulk.fsync(&temp.file).await
    })
}

#[test]
fn bytes_are_sealed_and_read_back_on_both_engines() {
    let check = |len: usize, known: bool, force_threads: bool| {
        let place = Place::new();
        let store = place.store();
        let bytes: Vec<u8> = (0..251).cycle().take(len).collect();
        let size_bytes = known.then_some(len as u64);
        let temp = store.create_temp(name(3), size_bytes).expect("a temporary file");
        let options = BulkOptions { force_threads, ..BulkOptions::default() };
        write(&temp, &bytes, options).expect("room");
        store.truncate(&temp, len as u64).expect("the exact length");
        store.fsync(&temp).expect("a sync");
        store.link(temp.name).expect("the final name");
        store.link(temp.name).expect("the final name, again");
        store.sync_datadir().expect("a sync");
        store.unlink_temp(temp.name).expect("the temporary name goes");
        store.unlink_temp(temp.name).expect("it is gone already");
        let url = store.url_for(temp.name.image);
        let path = place.datadir().join(temp.name.image.as_str());
        assert_eq!(url, format!("file://{}", path.display()));
        let read = store.open_read(&url).expect("the file");
        assert_eq!(read.size_bytes, len as u64);
        assert!(!read.file.is_direct());
        assert!(
            std::fs::read(path).expect("the bytes") == bytes,
            "{len} bytes came back otherwise"
        );
    };
    for force_threads in [false, true] {
        for known in [false, true] {
            check(0, known, force_threads);
            check(1, known, force_threads);
            check(4096, known, force_threads);
            check(3 * 512 * 1024 + 5, known, force_threads);
        }
    }
}

#[test]
fn a_final_name_is_never_replaced() {
    let place = Place::new();
    let store = place.store();
    let first = put(&store, name(1), b"first");
    store.link(first.name).expect("the name is free");
    let second = put(&store, name(2), b"second");
    assert!(matches!(store.link(second.name), Err(LinkError::AlreadyThere)));
    assert!(!store.unlink_final_if_same_inode(second.name).expect("a look"), "not its file");
    let path = place.datadir().join(name(1).image.as_str());
    assert_eq!(std::fs::read(&path).expect("the bytes"), b"first");
    assert!(store.unlink_final_if_same_inode(first.name).expect("a removal"));
    assert!(!path.exists());
    assert!(!store.unlink_final_if_same_inode(first.name).expect("a look"), "it is gone already");
    let missing = TempName { epoch: Epoch(9), ..name(9) };
    assert!(matches!(store.link(missing), Err(LinkError::Failed(_))));
}

#[test]
fn a_temporary_name_is_taken_once() {
    let place = Place::new();
    let store = place.store();
    let _first = put(&store, name(1), b"first");
    assert!(matches!(store.create_temp(name(1), None), Err(CreateError::Failed(_))));
    store.create_temp(name(2), None).expect("another epoch is another name");
}

#[test]
fn recovery_finds_its_own_names_only() {
    let place = Place::new();
    let store = place.store();
    let other = TempName { node: NodeId([8; 16]), ..name(4) };
    for name in [name(12), name(3), other] {
        store.create_temp(name, None).expect("a temporary file");
    }
    let incoming = place.datadir().join(INCOMING);
    let spellings = [
        "junk".to_owned(),
        format!("{}.007.{}", name(7).image, name(7).node),
        format!("{}.+7.{}", name(7).image, name(7).node),
        format!("{}.x", name(7)),
    ];
    for junk in spellings {
        std::fs::write(incoming.join(junk), b"").expect("a file");
    }
    let check = |node: u8, expected: &[TempName]| {
        assert_eq!(store.incoming(NodeId([node; 16])).expect("a listing"), expected);
    };
    check(7, &[name(3), name(12)]);
    check(8, &[other]);
    check(9, &[]);
    assert_eq!(TempName::parse(&name(12).to_string()), Some(name(12)));
}

#[test]
fn reclaiming_is_repeatable_and_keeps_to_its_image() {
    let place = Place::new();
    let store = place.store();
    let temp = put(&store, name(1), b"bytes");
    store.link(temp.name).expect("the name is free");
    let (image, url) = (temp.name.image, store.url_for(temp.name.image));
    let other = ImageId::parse("00000000-d94f-49cd-a114-e12490b328d9").expect("a UUID");
    let check =
        |image: ImageId, url: &str, expected: Option<Refused>| match store.reclaim(image, url) {
            Ok(()) => assert_eq!(expected, None),
            Err(ReclaimError::Refused(refused)) => assert_eq!(Some(refused), expected),
            Err(ReclaimError::Failed(error)) => panic!("{error}"),
        };
    check(other, &url, Some(Refused::OtherImage));
    check(image, "file:///etc/passwd", Some(Refused::Directory));
    assert!(store.open_read(&url).is_ok(), "nothing was removed so far");
    check(image, &url, None);
    assert!(matches!(store.open_read(&url), Err(ReadError::Missing)));
    check(image, &url, None);
}

#[test]
fn only_plain_files_of_the_directory_itself_are_opened() {
    let place = Place::new();
    let store = place.store();
    let path = place.datadir().join(name(1).image.as_str());
    let url = store.url_for(name(1).image);
    let outside = place.0.join("secret");
    std::fs::write(&outside, b"secret").expect("a file");
    let check = |what: &str| {
        let opened = store.open_read(&url);
        assert!(matches!(opened, Err(ReadError::Refused(Refused::Name))), "{what}: {opened:?}");
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
    };
    symlink(&outside, &path).expect("a link");
    check("a link out");
    symlink(".incoming", &path).expect("a link");
    check("a link inside");
    symlink("/proc/self/fd/0", &path).expect("a link");
    check("a magic link");
    std::fs::create_dir(&path).expect("a directory");
    check("a directory");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
    assert!(made.success());
    check("a pipe");
    let socket = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    check("a socket");
    drop(socket);
    std::fs::write(&path, b"bytes").expect("a file");
    assert_eq!(store.open_read(&url).expect("a plain file").size_bytes, 5);
}

#[test]
fn a_directory_is_known_by_both_its_names() {
    let place = Place::new();
    let (real, link) = (place.0.join("real"), place.0.join("link"));
    std::fs::create_dir(&real).expect("a directory");
    symlink(&real, &link).expect("a link");
    let store = FileStore::open(&link).expect("a store");
    std::fs::write(real.join(name(1).image.as_str()), b"bytes").expect("a file");
    let check = |directory: &Path, good: bool| {
        let url = format!("file://{}/{}", directory.display(), name(1).image);
        assert_eq!(store.open_read(&url).is_ok(), good, "{url}");
    };
    check(&link, true);
    check(&real, true);
    check(&place.0, false);
    assert!(store.url_for(name(1).image).contains("/link/"), "new URLs say what was configured");
}

#[test]
fn modes_are_those_of_glance() {
    let place = Place::new();
    let store = place.store();
    let temp = put(&store, name(1), b"bytes");
    store.link(temp.name).expect("the name is free");
    let plain = place.0.join("plain");
    std::fs::write(&plain, b"").expect("a file made like Python's open()");
    let mode =
        |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&place.datadir().join(name(1).image.as_str())), mode(&plain));
    assert_eq!(mode(&place.datadir()), mode(&place.0));
    assert_eq!(mode(&place.datadir().join(INCOMING)), 0o700);
}

#[test]
fn a_size_beyond_the_free_room_is_refused_at_once() {
    let place = Place::new();
    let store = place.store();
    let check = |size_bytes: u64| {
        let made = store.create_temp(name(1), Some(size_bytes));
        assert!(matches!(made, Err(CreateError::Full(_))), "{size_bytes}: {made:?}");
        assert_eq!(store.incoming(name(1).node).expect("a listing"), []);
    };
    let found = rustix::fs::statvfs(&place.0).expect("a file system");
    check(found.f_bavail * found.f_frsize + (64 << 30));
    check(u64::MAX);
}

/// A small file system of its own; needs the right to mount, as the container of the tests has.
struct Mount(PathBuf);

impl Mount {
    fn new(place: &Place) -> Self {
        let path = place.0.join("small");
        std::fs::create_dir(&path).expect("a directory");
        let options = ["-t", "tmpfs", "-o", "size=2m", "tmpfs"];
        let mounted = Command::new("mount").args(options).arg(&path).status().expect("mount runs");
        assert!(mounted.success(), "this test mounts a small tmpfs and so must run as root");
        Self(path)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status().expect("umount runs");
        assert!(unmounted.success());
    }
}

#[test]
fn a_disk_that_fills_up_on_the_way_is_reported_as_full() {
    let place = Place::new();
    let mount = Mount::new(&place);
    let check = |force_threads: bool| {
        let store = FileStore::open(&mount.0.join("images")).expect("a store");
        let temp = store.create_temp(name(1), None).expect("an empty file fits");
        let options = BulkOptions { force_threads, ..BulkOptions::default() };
        let written = write(&temp, &vec![1; 4 << 20], options);
        assert!(matches!(written, Err(BulkError::Full(_))), "{written:?}");
        store.unlink_temp(temp.name).expect("the temporary name goes");
        drop(temp);
        let fits = store.create_temp(name(2), Some(1 << 20)).expect("there is room again");
        store.unlink_temp(fits.name).expect("the temporary name goes");
        let too_large = store.create_temp(name(3), Some(8 << 20));
        assert!(matches!(too_large, Err(CreateError::Full(_))), "{too_large:?}");
    };
    check(false);
    check(true);
}

#[test]
fn known_sizes_have_their_blocks_from_the_start() {
    let place = Place::new();
    let store = place.store();
    let temp = store.create_temp(name(1), Some(1_000_001)).expect("a temporary file");
    let found = temp.file.file().metadata().expect("a length");
    assert_eq!(found.len(), 1_003_520, "whole blocks of 4096");
    assert!(found.blocks() * 512 >= 1_000_001, "blocks are reserved");
}

#[test]
fn another_spelling_of_the_same_directory_is_understood_and_another_directory_is_not() {
    let place = Place::new();
    let store = place.store();
    let image = name(1).image;
    std::fs::write(place.datadir().join(image.as_str()), b"bytes").expect("a file");
    std::fs::create_dir(place.0.join("other")).expect("a directory");
    std::fs::write(place.0.join("other").join(image.as_str()), b"not ours").expect("a file");
    symlink(place.datadir(), place.0.join("link")).expect("a link");
    let check = |directory: &str, expected: bool| {
        let url = format!("file://{}/{directory}/{image}", place.0.display());
        assert_eq!(store.open_read(&url).is_ok(), expected, "{url}");
    };
    check("images", true);
    check("link", true);
    check("other/../images", true);
    check("other", false);
    check("images/..", false);
    check("nowhere", false);
}
