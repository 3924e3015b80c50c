//! The page that describes the link names the hash of the types it describes, so neither changes
//! without the other.

use crate::{Complaint, complaint};
use sha2::{Digest, Sha256};

const PAGE: &str = "docs/flows/link.md";
const MARK: &str = "v1.rs sha256: ";

pub(crate) fn check(types: &str, page: &str) -> Vec<Complaint> {
    let hash: String =
        Sha256::digest(types.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    for (index, line) in page.lines().enumerate() {
        let Some((_, named)) = line.split_once(MARK) else { continue };
        if named.trim().trim_matches('`') == hash {
            return Vec::new();
        }
        let advice = format!("the wire types changed: read the page again, then `{MARK}{hash}`");
        return vec![complaint(PAGE, index + 1, advice)];
    }
    vec![complaint(PAGE, 0, format!("name the types it describes: `{MARK}{hash}`"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_the_page_with_the_types() {
        // SHA-256 of "abc", FIPS 180-2 appendix B.
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let check_count = |page: &str, expected: usize| {
            assert_eq!(check("abc", page).len(), expected, "{page}");
        };
        check_count(&format!("# Link\nv1.rs sha256: {hash}\n"), 0);
        check_count(&format!("# Link\n`v1.rs sha256: {hash}`\n"), 0);
        check_count(&format!("v1.rs sha256: {}\n", hash.replace('b', "c")), 1);
        check_count("# Link\n", 1);
    }
}
