//! A store that fills up: 413 as Glance answers, nothing left behind, and room again after a
//! delete.
//!
//! The store is a small ext4 of its own on a loop device, so this test needs root.

use crate::harness::{Body, Glint, Runtime, Scratch, eventually, pattern, run};
use std::path::PathBuf;
use std::process::Command;

/// A mounted loop file system, unmounted on drop.
struct SmallDisk {
    mounted: PathBuf,
    _scratch: Scratch,
}

impl SmallDisk {
    fn new() -> Self {
        let scratch = Scratch::new("disk");
        let image = scratch.path().join("disk.ext4");
        let mounted = scratch.path().join("mounted");
        std::fs::create_dir(&mounted).unwrap();
        run(Command::new("truncate").args(["-s", "48M"]).arg(&image));
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image));
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mounted));
        Self { mounted, _scratch: scratch }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.mounted).status();
    }
}

#[test]
fn a_full_store_refuses_and_keeps_nothing_of_the_refused() {
    for runtime in Runtime::BOTH {
        let disk = SmallDisk::new();
        let state = Scratch::new("full");
        std::os::unix::fs::symlink(&disk.mounted, state.path().join("images")).unwrap();
        let _ = std::fs::remove_dir(disk.mounted.join("lost+found"));
        let glint = Glint::start_in(state.path(), runtime, &[]);
        let fits = pattern(1, 20 << 20);
        let kept = glint.create();
        assert_eq!(glint.upload(&kept, &fits).status, 204);
        let too_much = pattern(2, 40 << 20);
        for body in [Body::Bytes(&too_much), Body::Chunked(&too_much, 300_000)] {
            let id = glint.create();
            let refused = glint.call("PUT", &format!("/v2/images/{id}/file"), body);
            assert_eq!(refused.status, 413, "{runtime:?} {refused:?}");
            eventually("queued again", || (glint.status(&id) == "queued").then_some(()));
            eventually("nothing is left of it", || {
                (glint.stored() == [kept.clone()]).then_some(())
            });
        }
        assert!(glint.get(&format!("/v2/images/{kept}/file")).body == fits);
        assert_eq!(glint.call("DELETE", &format!("/v2/images/{kept}"), Body::None).status, 204);
        eventually("the bytes are gone", || glint.stored().is_empty().then_some(()));
        let id = glint.create();
        assert_eq!(glint.upload(&id, &fits).status, 204, "there is room again");
        drop(glint);
    }
}
