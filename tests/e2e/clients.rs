//! The clients people have: openstackclient, glanceclient, openstacksdk and curl move real images
//! through the service.

use crate::harness::{Glint, Runtime, Scratch, digests, eventually, mini_iso, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `tests/run` installed the Python clients.
fn venv() -> PathBuf {
    PathBuf::from(std::env::var_os("GLINT_TESTS_VENV").expect("tests/run sets GLINT_TESTS_VENV"))
}

fn openstack(glint: &Glint, arguments: &[&str]) -> String {
    run(Command::new(venv().join("bin/openstack"))
        .args(["--os-auth-type", "none", "--os-endpoint", &glint.url()])
        .args(arguments))
}

fn glance(glint: &Glint, arguments: &[&str]) -> String {
    run(Command::new(venv().join("bin/glance"))
        .args(["--os-auth-token", "none", "--os-image-url", &glint.url()])
        .args(arguments))
}

fn curl(arguments: &[&str]) -> String {
    run(Command::new("curl").args(["-sS", "--fail-with-body"]).args(arguments))
}

fn shown_equals_file(glint: &Glint, id: &str, file: &Path) {
    let shown = glint.get(&format!("/v2/images/{id}")).json();
    let (md5, sha512) = digests(file);
    assert_eq!(shown["status"], "active");
    assert_eq!(shown["size"], fs::metadata(file).unwrap().len());
    assert_eq!(shown["checksum"], md5);
    assert_eq!(shown["os_hash_algo"], "sha512");
    assert_eq!(shown["os_hash_value"], sha512);
    assert_eq!(digests(&glint.datadir().join(id)).0, md5, "the bytes in the store");
}

fn same(a: &Path, b: &Path) {
    run(Command::new("cmp").arg(a).arg(b));
}

/// `mini.iso` as qcow2 and raw, and a sparse raw disk of 2 GiB with bytes at both ends.
fn converted(folder: &Path, format: &str) -> PathBuf {
    let out = folder.join(format!("mini.{format}"));
    run(Command::new("qemu-img").args(["convert", "-O", format]).arg(mini_iso()).arg(&out));
    out
}

fn sparse(folder: &Path) -> PathBuf {
    use std::os::unix::fs::FileExt;
    let out = folder.join("sparse.raw");
    let file = fs::File::create(&out).unwrap();
    file.set_len(2 << 30).unwrap();
    file.write_all_at(b"first", 0).unwrap();
    file.write_all_at(b"last", (2 << 30) - 4).unwrap();
    out
}

#[test]
fn openstackclient_stores_and_fetches_an_iso() {
    let glint = Glint::start(Runtime::Uring);
    let scratch = Scratch::new("osc");
    let disk = mini_iso();
    let iso = disk.to_str().unwrap();
    let id = openstack(
        &glint,
        &[
            "image",
            "create",
            "mini",
            "--disk-format",
            "iso",
            "--file",
            iso,
            "-f",
            "value",
            "-c",
            "id",
        ],
    );
    let id = id.trim();
    shown_equals_file(&glint, id, &disk);
    assert!(openstack(&glint, &["image", "list"]).contains(id));
    let shown = openstack(&glint, &["image", "show", id, "-f", "value", "-c", "status"]);
    assert_eq!(shown.trim(), "active");
    let back = scratch.path().join("back.iso");
    openstack(&glint, &["image", "save", "--file", back.to_str().unwrap(), id]);
    same(&disk, &back);
    openstack(&glint, &["image", "set", "--property", "os_distro=debian", "--name", "renamed", id]);
    let renamed = glint.get(&format!("/v2/images/{id}")).json();
    assert_eq!((&renamed["name"], &renamed["os_distro"]), (&"renamed".into(), &"debian".into()));
    openstack(&glint, &["image", "delete", id]);
    assert_eq!(glint.status(id), "absent");
    eventually("the bytes are gone", || glint.stored().is_empty().then_some(()));
}

#[test]
fn glanceclient_stores_and_fetches_a_qcow2() {
    let glint = Glint::start(Runtime::Epoll);
    let scratch = Scratch::new("glanceclient");
    let disk = converted(scratch.path(), "qcow2");
    let name = disk.to_str().unwrap();
    let arguments = ["image-create", "--name", "q", "--disk-format", "qcow2"];
    let created =
        glance(&glint, &[&arguments[..], &["--container-format", "bare", "--file", name]].concat());
    let id = table_value(&created, "id");
    shown_equals_file(&glint, &id, &disk);
    assert!(glance(&glint, &["image-list"]).contains(&id));
    assert_eq!(table_value(&glance(&glint, &["image-show", &id]), "status"), "active");
    let back = scratch.path().join("back.qcow2");
    glance(&glint, &["image-download", "--file", back.to_str().unwrap(), &id]);
    same(&disk, &back);
    run(Command::new("qemu-img").arg("check").arg(&back));
    glance(&glint, &["image-update", "--property", "os_distro=debian", &id]);
    glance(&glint, &["image-delete", &id]);
    assert_eq!(glint.status(&id), "absent");
}

/// The value beside `field` in a table of the glance command.
fn table_value(table: &str, field: &str) -> String {
    let cells = table.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let row = cells.into_iter().find(|cells| cells.get(1) == Some(&field));
    row.unwrap_or_else(|| panic!("no {field} in\n{table}"))[2].to_owned()
}

const SDK: &str = r#"
import sys, hashlib, openstack
url, path, back = sys.argv[1:]
cloud = openstack.connect(auth_type='none', endpoint=url, image_endpoint_override=url,
                          image_api_version='2', auth={'endpoint': url})
image = cloud.image.create_image(name='sdk', filename=path, disk_format='raw', container_format='bare', wait=True)
image = cloud.image.get_image(image.id)
assert image.status == 'active', image.status
cloud.image.download_image(image.id, output=back, stream=True)
assert any(found.id == image.id for found in cloud.image.images(limit=1))
cloud.image.update_image(image.id, name='renamed', mine='yes')
assert cloud.image.get_image(image.id).name == 'renamed'
print(image.id)
cloud.image.delete_image(image.id)
"#;

#[test]
fn openstacksdk_stores_and_fetches_a_raw_disk() {
    let glint = Glint::start(Runtime::Uring);
    let scratch = Scratch::new("sdk");
    let disk = converted(scratch.path(), "raw");
    let back = scratch.path().join("back.raw");
    let id = run(Command::new(venv().join("bin/python"))
        .args(["-c", SDK, &glint.url()])
        .args([&disk, &back]));
    same(&disk, &back);
    assert_eq!(glint.status(id.trim()), "absent");
}

#[test]
fn curl_stores_and_fetches_a_sparse_disk_of_2_gib() {
    let glint = Glint::start(Runtime::Uring);
    let scratch = Scratch::new("curl");
    let disk = sparse(scratch.path());
    let id = glint.create();
    let url = format!("{}/v2/images/{id}/file", glint.url());
    let octets = "Content-Type: application/octet-stream";
    curl(&["-X", "PUT", "-H", octets, "-T", disk.to_str().unwrap(), &url]);
    shown_equals_file(&glint, &id, &disk);
    let back = scratch.path().join("back.raw");
    curl(&["-o", back.to_str().unwrap(), &url]);
    same(&disk, &back);
    let part = curl(&["-r", "2147483644-", &url]);
    assert_eq!(part, "last");
    curl(&["-X", "DELETE", &format!("{}/v2/images/{id}", glint.url())]);
    eventually("the bytes are gone", || glint.stored().is_empty().then_some(()));
}
