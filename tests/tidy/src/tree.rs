//! Every rule over the whole tree.
//!
//! The tree is what git lists: tracked files, and new ones it would add. Files that were deleted
//! but not yet committed are passed over.

use crate::{Complaint, arrows, banned, committed, exceptions, lock, rust, size, unsafety, wire};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Paths from the root, and contents.
fn files() -> Vec<(String, Vec<u8>)> {
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others"])
        .arg("--exclude-standard")
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    let mut files: Vec<(String, Vec<u8>)> = listed
        .split_terminator('\0')
        .filter_map(|path| Some((path.to_owned(), std::fs::read(root().join(path)).ok()?)))
        .collect();
    files.sort();
    files.dedup();
    assert!(files.len() > 50, "git lists only {} files", files.len());
    files
}

/// Text files only; what is not text is `committed`'s business.
fn texts() -> Vec<(String, String)> {
    let text = |(path, bytes)| Some((path, String::from_utf8(bytes).ok()?));
    files().into_iter().filter_map(text).collect()
}

fn sources() -> Vec<(String, rust::Source)> {
    texts()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| {
            let source = rust::Source::read(&path, &text);
            (path, source)
        })
        .collect()
}

fn text_of(path: &str) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

fn assert_tidy(mut complaints: Vec<Complaint>) {
    complaints.sort();
    let shown: Vec<String> =
        complaints.iter().map(|one| format!("{}:{}: {}", one.file, one.line, one.advice)).collect();
    assert!(shown.is_empty(), "{} complaints\n{}", shown.len(), shown.join("\n"));
}

fn over_sources(rule: impl Fn(&str, &rust::Source) -> Vec<Complaint>) {
    assert_tidy(sources().iter().flat_map(|(path, source)| rule(path, source)).collect());
}

#[test]
fn every_source_says_what_it_is() {
    over_sources(rust::says_what_it_is);
}

#[test]
fn files_and_functions_are_small() {
    over_sources(|path, source| size::check(path, source, exceptions::SIZES));
}

#[test]
fn size_exceptions_are_needed() {
    let sources = sources();
    let mut complaints = Vec::new();
    for exception in exceptions::SIZES {
        let needed = sources.iter().any(|(path, source)| {
            size::check(path, source, &[]).len() > size::check(path, source, &[*exception]).len()
        });
        if !needed {
            complaints.push(crate::complaint(
                exception.file,
                0,
                "needs no size exception any more",
            ));
        }
    }
    assert_tidy(complaints);
}

#[test]
fn names_that_are_banned_do_not_occur() {
    over_sources(banned::in_source);
}

#[test]
fn words_that_are_banned_do_not_occur() {
    let all = texts();
    assert_tidy(all.iter().flat_map(|(path, text)| banned::in_text(path, text)).collect());
}

#[test]
fn unsafe_code_stands_where_it_may_and_with_its_reasons() {
    over_sources(unsafety::check);
}

#[test]
fn dependencies_follow_the_arrows() {
    let manifests: Vec<(String, String)> =
        texts().into_iter().filter(|(path, _)| path.ends_with("Cargo.toml")).collect();
    assert!(manifests.len() > 15, "{} manifests", manifests.len());
    assert_tidy(arrows::check(&manifests));
}

#[test]
fn dependencies_are_above_their_floors() {
    assert_tidy(lock::check(&text_of("Cargo.lock").unwrap()));
}

#[test]
fn nothing_generated_or_binary_is_committed() {
    let all = files();
    assert_tidy(all.iter().flat_map(|(path, bytes)| committed::check(path, bytes)).collect());
}

#[test]
fn the_wire_contract_is_the_one_its_page_describes() {
    let types = text_of("shared/link/src/v1.rs").unwrap();
    let page = text_of("docs/flows/link.md").unwrap_or_default();
    assert_tidy(wire::check(&types, &page));
}
