//! The link's own certificate authority: two roles, one root, nothing to configure.
//!
//! Leaves to its caller where certificates are kept and when they are replaced. Invariants: a
//! certificate names exactly one role, in its DNS name and its key usage, so a data node's
//! certificate cannot serve as the control plane; key bytes never reach a log (no `Debug` or
//! `Display` shows them); existing files are never overwritten.
//!
//! The certificates do not expire: they are replaced by making a new authority, which every node
//! must be given anyway.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CA_CERTIFICATE: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const KEY_MODE: u32 = 0o600;
const CERTIFICATE_MODE: u32 = 0o644;

/// Which plane a certificate speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The control plane: the server of the link.
    Control,
    /// A data-plane node: a client of the link.
    Data,
}

impl Role {
    /// The DNS name that carries the role in a certificate.
    #[must_use]
    pub fn dns_name(self) -> &'static str {
        match self {
            Self::Control => "control.glint.internal",
            Self::Data => "data.glint.internal",
        }
    }

    fn file_stem(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Data => "data",
        }
    }

    fn key_usage(self) -> ExtendedKeyUsagePurpose {
        match self {
            Self::Control => ExtendedKeyUsagePurpose::ServerAuth,
            Self::Data => ExtendedKeyUsagePurpose::ClientAuth,
        }
    }
}

/// What one end of the link proves itself with, and whom it believes.
#[derive(Clone)]
pub struct Credentials {
    pub(crate) ca: CertificateDer<'static>,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: Arc<PrivateKeyDer<'static>>,
}

/// A root that can issue certificates.
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
}

/// A key or certificate could not be made: the cryptographic library refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate: {0}")]
pub struct IssueError(#[from] rcgen::Error);

/// Why a directory of certificates could not be written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is one already; it is left alone.
    #[error("{} exists already and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// A certificate could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The file system refused.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
}

/// Why a directory of certificates could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file system refused.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// The file is not PEM of the expected kind.
    #[error("{} does not hold {expected} in PEM form", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
}

// === impl Credentials ===

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(key not shown)")
    }
}

// === impl Authority ===

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(key not shown)")
    }
}

impl Authority {
    /// Makes a new root.
    ///
    /// # Errors
    /// [`IssueError`] if the cryptographic library fails.
    pub fn create() -> Result<Self, IssueError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "Glint link authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { root: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Issues a certificate with a fresh key for a role.
    ///
    /// # Errors
    /// [`IssueError`] if the cryptographic library fails.
    pub fn issue(&self, role: Role) -> Result<Credentials, IssueError> {
        let (certificate, key) = self.sign(role)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Ok(Credentials {
            ca: self.root.der().clone(),
            certificate: certificate.der().clone(),
            key: Arc::new(key),
        })
    }

    fn sign(&self, role: Role) -> Result<(Certificate, KeyPair), IssueError> {
        let mut params = CertificateParams::new(vec![role.dns_name().to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, role.dns_name());
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![role.key_usage()];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.root)?;
        Ok((certificate, key))
    }
}

/// Credentials for both roles under a root whose key is forgotten at once: for a process that plays
/// both planes.
///
/// # Errors
/// [`IssueError`] if the cryptographic library fails.
pub fn ephemeral() -> Result<(Credentials, Credentials), IssueError> {
    let authority = Authority::create()?;
    Ok((authority.issue(Role::Control)?, authority.issue(Role::Data)?))
}

/// Writes a new authority and one certificate for each role into a directory (made if missing):
/// `ca.pem`, `ca.key`, `control.pem`, `control.key`, `data.pem`, `data.key`.
///
/// # Errors
/// [`InitError::Exists`] if any of the files is there, before any is written; otherwise what went
/// wrong.
pub fn init(dir: &Path) -> Result<(), InitError> {
    let authority = Authority::create()?;
    let mut files = vec![
        (dir.join(CA_CERTIFICATE), authority.root.pem(), CERTIFICATE_MODE),
        (dir.join(CA_KEY), authority.root.key().serialize_pem(), KEY_MODE),
    ];
    for role in [Role::Control, Role::Data] {
        let (certificate, key) = authority.sign(role)?;
        files.push((certificate_path(dir, role), certificate.pem(), CERTIFICATE_MODE));
        files.push((key_path(dir, role), key.serialize_pem(), KEY_MODE));
    }
    if let Some((path, ..)) = files.iter().find(|(path, ..)| path.symlink_metadata().is_ok()) {
        return Err(InitError::Exists(path.clone()));
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| InitError::Write { path: dir.to_owned(), source })?;
    for (path, text, mode) in files {
        write_new(&path, &text, mode).map_err(|source| InitError::Write { path, source })?;
    }
    Ok(())
}

/// Reads what a role needs from a directory written by [`init`]; the authority's key need not be
/// there.
///
/// # Errors
/// [`LoadError`] naming the file.
pub fn load(dir: &Path, role: Role) -> Result<Credentials, LoadError> {
    let ca = load_certificate(&dir.join(CA_CERTIFICATE))?;
    let certificate = load_certificate(&certificate_path(dir, role))?;
    let path = key_path(dir, role);
    let key = PrivateKeyDer::from_pem_slice(&read(&path)?)
        .map_err(|_| LoadError::Pem { path, expected: "a private key" })?;
    Ok(Credentials { ca, certificate, key: Arc::new(key) })
}

fn certificate_path(dir: &Path, role: Role) -> PathBuf {
    dir.join(role.file_stem()).with_extension("pem")
}

fn key_path(dir: &Path, role: Role) -> PathBuf {
    dir.join(role.file_stem()).with_extension("key")
}

fn load_certificate(path: &Path) -> Result<CertificateDer<'static>, LoadError> {
    CertificateDer::from_pem_slice(&read(path)?)
        .map_err(|_| LoadError::Pem { path: path.to_owned(), expected: "a certificate" })
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })
}

/// Creates a file that must not exist, with its mode from the first moment: a key is never readable
/// by others, not even briefly.
fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct TempDir(PathBuf);

    impl TempDir {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("glint-ca-{}", uuid::Uuid::new_v4()));
            Self(path)
        }
    }

    impl Drop for TempDir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_init_writes_load_reads_and_keys_are_private() {
        let dir = TempDir::new();
        init(&dir.0).unwrap();
        let check_mode = |name: &str, expected: u32| {
            let mode = std::fs::metadata(dir.0.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, expected, "{name}");
        };
        for name in ["ca.key", "control.key", "data.key"] {
            check_mode(name, 0o600);
        }
        let control = load(&dir.0, Role::Control).unwrap();
        let data = load(&dir.0, Role::Data).unwrap();
        assert_eq!(control.ca, data.ca);
        assert_ne!(control.certificate, data.certificate);
        assert_ne!(control.key.secret_der(), data.key.secret_der());
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let dir = TempDir::new();
        std::fs::create_dir_all(&dir.0).unwrap();
        std::fs::write(dir.0.join("data.key"), "precious").unwrap();
        assert!(matches!(init(&dir.0), Err(InitError::Exists(path)) if path.ends_with("data.key")));
        assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 1, "nothing else was written");
        assert_eq!(std::fs::read(dir.0.join("data.key")).unwrap(), b"precious");
    }

    #[test]
    fn unreadable_material_names_the_file() {
        let check = |name: &str, text: Option<&str>, expected: &str| {
            let dir = TempDir::new();
            init(&dir.0).unwrap();
            match text {
                Some(text) => std::fs::write(dir.0.join(name), text).unwrap(),
                None => std::fs::remove_file(dir.0.join(name)).unwrap(),
            }
            let error = load(&dir.0, Role::Data).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(expected), "{error}");
        };
        check("data.key", Some("nonsense"), "a private key");
        check("ca.pem", Some(""), "a certificate");
        check("data.pem", None, "cannot read");
    }

    #[test]
    fn debug_output_shows_no_key() {
        let (control, _) = ephemeral().unwrap();
        assert_eq!(format!("{control:?}"), "Credentials(key not shown)");
    }
}
