//! Database URLs as SQLAlchemy and oslo.db spell them (`[database] connection`).
//!
//! Only reads the text; opening is `pool`'s part. Invariant: an error names the dialect and never
//! the URL, which may hold a password.

use std::path::PathBuf;

/// Where the catalogue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A SQLite file; a relative path starts at the working directory.
    SqliteFile(PathBuf),
}

/// The URL does not name a database this service can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// There is no `://`.
    #[error("not a database URL: expected something like sqlite:////var/lib/glance/glance.sqlite")]
    NotAUrl,
    /// A dialect Glance supports and this service does not yet.
    #[error("{dialect} databases are not supported yet; use a sqlite:/// URL")]
    NotYet {
        /// The dialect, without driver.
        dialect: String,
    },
    /// A dialect Glance does not support either.
    #[error("unknown database dialect {dialect:?}")]
    UnknownDialect {
        /// The dialect, without driver.
        dialect: String,
    },
    /// SQLite without a file: its content would be gone with the process, and every connection
    /// would see one of its own.
    #[error("a SQLite database needs a file: sqlite:///relative/path or sqlite:////absolute/path")]
    NoFile,
    /// SQLite files have no host.
    #[error(
        "a SQLite URL has three slashes and a path: sqlite:///relative/path or \
         sqlite:////absolute/path"
    )]
    HostInSqlite,
}

impl Target {
    /// Reads a URL such as `sqlite:////var/lib/glance/glance.sqlite`.
    ///
    /// The path is taken as it stands, without percent-decoding, up to a question mark: so does
    /// SQLAlchemy (`sqlalchemy/engine/url.py`, `_parse_url`). Options behind the question mark
    /// belong to Python's driver and are passed over.
    ///
    /// # Errors
    /// [`UrlError`] as its variants say.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::NotAUrl)?;
        let dialect = scheme.split('+').next().unwrap_or(scheme).to_ascii_lowercase();
        match dialect.as_str() {
            "sqlite" => {}
            "mysql" | "mariadb" | "postgresql" => return Err(UrlError::NotYet { dialect }),
            _ => return Err(UrlError::UnknownDialect { dialect }),
        }
        if rest.is_empty() {
            return Err(UrlError::NoFile);
        }
        let path = rest.strip_prefix('/').ok_or(UrlError::HostInSqlite)?;
        let path = path.split('?').next().unwrap_or(path);
        if path.is_empty() || path == ":memory:" {
            return Err(UrlError::NoFile);
        }
        Ok(Self::SqliteFile(PathBuf::from(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_sqlalchemy_reads_them() {
        let file = |path: &str| Ok(Target::SqliteFile(PathBuf::from(path)));
        let not_yet = |dialect: &str| Err(UrlError::NotYet { dialect: dialect.to_owned() });
        let check = |url: &str, expected: Result<Target, UrlError>| {
            assert_eq!(Target::parse(url), expected, "{url}");
        };
        check("sqlite:///glance.sqlite", file("glance.sqlite"));
        check("sqlite:////var/lib/glance.sqlite", file("/var/lib/glance.sqlite"));
        check("sqlite+pysqlite:////a%20b.db?timeout=5", file("/a%20b.db"));
        check("sqlite://", Err(UrlError::NoFile));
        check("sqlite:///", Err(UrlError::NoFile));
        check("sqlite:///:memory:", Err(UrlError::NoFile));
        check("sqlite://host/path", Err(UrlError::HostInSqlite));
        check("mysql+pymysql://glance:secret@db/glance?charset=utf8", not_yet("mysql"));
        check("mariadb://glance@db/glance", not_yet("mariadb"));
        check("postgresql+psycopg2://glance@db/glance", not_yet("postgresql"));
        check("oracle://x", Err(UrlError::UnknownDialect { dialect: "oracle".to_owned() }));
        check("/var/lib/glance.sqlite", Err(UrlError::NotAUrl));
    }
}
