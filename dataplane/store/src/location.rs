//! URLs of the file store, as `image_locations.value` holds them.
//!
//! Opening what a URL names is left to [`crate::file`]. The invariant (SEC-31): a URL is never used
//! as a path. It is accepted only when it spells this store's directory and an image id in it, and
//! of it only the id goes on.

use std::path::{Path, PathBuf};

use glint_image::ImageId;

/// A URL that this store will not follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Not `file://` or `filesystem://`.
    #[error("not a location of the file store")]
    Scheme,
    /// Outside the store's directory, or below it at another depth.
    #[error("not in the store's directory")]
    Directory,
    /// The last part is no image id.
    #[error("the file's name is no image id")]
    Name,
    /// Not the image whose bytes were meant.
    #[error("the file belongs to another image")]
    OtherImage,
}

/// The directory of a store, in the spellings under which locations may name it.
#[derive(Clone, Debug)]
pub struct Locations {
    /// As configured, made absolute: what new URLs say.
    configured: String,
    /// With symbolic links resolved: a Glance may have been configured so.
    resolved: PathBuf,
}

impl Locations {
    /// The two spellings of one directory. The configured one loses trailing slashes.
    #[must_use]
    pub fn new(configured: &str, resolved: PathBuf) -> Self {
        assert!(configured.starts_with('/'), "only an absolute path makes a URL");
        Self { configured: configured.trim_end_matches('/').to_owned(), resolved }
    }

    /// The URL of an image's bytes, as Glance writes it: `file://` and the joined path, nothing
    /// quoted (`glance_store`, `_drivers/filesystem.py`, `Store.add`).
    #[must_use]
    pub fn url_for(&self, image: ImageId) -> String {
        format!("file://{}/{image}", self.configured)
    }

    /// The image whose file a URL names.
    ///
    /// The schemes are matched as they stand, and nothing is unquoted: `StoreLocation.parse_uri` of
    /// `glance_store` compares prefixes and takes the path as it is, so `%2e` is three characters
    /// of a name there too.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn resolve(&self, url: &str) -> Result<ImageId, Refused> {
        self.resolve_or(url, |_| false)
    }

    /// As [`Locations::resolve`], and asks `is_ours` about an absolute directory that is spelled in
    /// neither way.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn resolve_or(
        &self,
        url: &str,
        is_ours: impl FnOnce(&Path) -> bool,
    ) -> Result<ImageId, Refused> {
        let path = url.strip_prefix("file://").or_else(|| url.strip_prefix("filesystem://"));
        let path = path.ok_or(Refused::Scheme)?;
        let (directory, name) = path.rsplit_once('/').ok_or(Refused::Directory)?;
        // Paths are compared by their parts, so that doubled slashes do not matter; `..` is a part
        // like any other.
        let directory = Path::new(if directory.is_empty() { "/" } else { directory });
        let image = ImageId::parse(name).map_err(|_| Refused::Name);
        if directory == Path::new(&self.configured) || directory == self.resolved {
            return image;
        }
        // A name that is none cannot be saved by its directory, so nothing is asked about it.
        let image = image.map_err(|_| Refused::Directory)?;
        if directory.is_absolute() && is_ours(directory) {
            Ok(image)
        } else {
            Err(Refused::Directory)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "71c675ab-d94f-49cd-a114-e12490b328d9";

    fn check(url: &str, expected: Result<&str, Refused>) {
        let locations = Locations::new("/srv/images/", PathBuf::from("/mnt/disk 1/images"));
        let resolved = locations.resolve(&url.replace("ID", ID));
        let expected = expected.map(|text| ImageId::parse(text).expect("a UUID"));
        assert_eq!(resolved, expected, "{url}");
    }

    #[test]
    fn what_glance_writes_is_understood() {
        let locations = Locations::new("/srv/images/", PathBuf::from("/mnt/disk 1/images"));
        let url = locations.url_for(ImageId::parse(ID).expect("a UUID"));
        assert_eq!(url, format!("file:///srv/images/{ID}"));
        check(&url, Ok(ID));
        check("filesystem:///srv/images/ID", Ok(ID));
        check("file:///mnt/disk 1/images/ID", Ok(ID));
        check("file:///srv//images//ID", Ok(ID));
        check("file:///srv/./images/ID", Ok(ID));
    }

    #[test]
    fn other_schemes_are_refused() {
        let schemes = [
            "",
            "/srv/images/ID",
            "srv/images/ID",
            "file:/srv/images/ID",
            "file:srv/images/ID",
            "FILE:///srv/images/ID",
            "File:///srv/images/ID",
            "FILESYSTEM:///srv/images/ID",
            " file:///srv/images/ID",
            "\tfile:///srv/images/ID",
            "file :///srv/images/ID",
            "file%3A///srv/images/ID",
            "fil\u{0}e:///srv/images/ID",
            "files:///srv/images/ID",
            "file+http:///srv/images/ID",
            "http://localhost/srv/images/ID",
            "ftp:///srv/images/ID",
            "https://file:///srv/images/ID",
            "cinder://ID",
            "rbd://ID",
            "swift://c/ID",
            "s3://b/ID",
            "//srv/images/ID",
            "file:\\\\\\srv\\images\\ID",
        ];
        for url in schemes {
            check(url, Err(Refused::Scheme));
        }
    }

    #[test]
    fn other_places_are_refused() {
        let places = [
            "file:///etc/passwd",
            "file:///ID",
            "file://ID",
            "file://srv/images/ID",
            "file://localhost/srv/images/ID",
            "file:///srv/images/../images/ID",
            "file:///srv/ID",
            "file:///srv/images/../../etc/ID",
            "file:///srv/images/.incoming/ID",
            "file:///srv/images/sub/ID",
            "file:///srv/images/%2e%2e/ID",
            "file:///srv%2Fimages/ID",
            "file:///srv/images/ID/",
            "file:///srv/images/ID/ID",
            "file:///SRV/images/ID",
            "file:///srv/images2/ID",
            "file:///srv/images\u{0}/ID",
            "file:////etc/images/ID",
            "file:///mnt/disk%201/images/ID",
            "file:///proc/self/root/srv/images/ID",
        ];
        for url in places {
            check(url, Err(Refused::Directory));
        }
    }

    #[test]
    fn other_names_are_refused() {
        let names = [
            "file:///srv/images/",
            "file:///srv/images/.",
            "file:///srv/images/..",
            "file:///srv/images/ID.1",
            "file:///srv/images/.incoming",
            "file:///srv/images/ID ",
            "file:///srv/images/%37ID",
            "file:///srv/images/ID\u{0}",
            "file:///srv/images/ID?x",
            "file:///srv/images/ID#x",
            "file:///srv/images/71c675abd94f49cda114e12490b328d9",
        ];
        for url in names {
            check(url, Err(Refused::Name));
        }
    }
}
