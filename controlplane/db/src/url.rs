//! Database URLs as SQLAlchemy and oslo.db spell them (`[database] connection`).
//!
//! Only reads the text; what a server's options mean is `servers`' part, opening `pool`'s.
//! Invariant: an error names the dialect and never the URL, which may hold a password; nor does
//! anything here show one.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// Where the catalogue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A SQLite file; a relative path starts at the working directory.
    SqliteFile(PathBuf),
    /// A PostgreSQL server.
    Postgres(Server),
    /// A MariaDB or MySQL server.
    MySql(Server),
}

/// A server and the database on it. What is `None` is the driver's preset.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// Name or address; without brackets.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Who logs in.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<String>,
    /// Name of the database.
    pub database: String,
    /// What stands behind the question mark, decoded.
    pub options: Vec<(String, String)>,
}

/// The URL does not name a database this service can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// There is no `://`.
    #[error("not a database URL: expected something like sqlite:////var/lib/glance/glance.sqlite")]
    NotAUrl,
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
    /// A server without the name of a database.
    #[error("the database URL names no database: expected {dialect}://user:password@host/database")]
    NoDatabase {
        /// The dialect, without driver.
        dialect: String,
    },
    /// The port is no number of 16 bits.
    #[error("the port of the database URL is not a number from 1 to 65535")]
    BadPort,
    /// What is percent-encoded is not UTF-8.
    #[error("the database URL holds percent-encoded bytes that are not UTF-8")]
    NotUtf8,
    /// An option no driver of Glance's has, or one this service cannot follow.
    #[error("the database URL has the option {name:?}, which is not known for {dialect}")]
    UnknownOption {
        /// The dialect.
        dialect: &'static str,
        /// The option.
        name: String,
    },
    /// An option's value cannot be used.
    #[error("the option {name:?} of the database URL has a value that cannot be used")]
    BadOption {
        /// The option.
        name: String,
    },
}

/// A URL as operators may see it: without its password and options.
#[must_use]
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    match Target::parse(url) {
        Ok(Target::SqliteFile(_)) => url.to_owned(),
        Ok(Target::Postgres(server) | Target::MySql(server)) => {
            let place = rest.split('?').next().unwrap_or(rest);
            let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
            match server.user {
                Some(user) => format!("{scheme}://{user}@{place}"),
                None => format!("{scheme}://{place}"),
            }
        }
        Err(_) => format!("{scheme}://"),
    }
}

// === impl Target ===

impl Target {
    /// Reads a URL such as `sqlite:////var/lib/glance/glance.sqlite` or
    /// `mysql+pymysql://glance:secret@db/glance?charset=utf8`. The driver behind the plus sign is
    /// Python's and passed over.
    ///
    /// # Errors
    /// [`UrlError`] as its variants say.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::NotAUrl)?;
        let dialect = scheme.split('+').next().unwrap_or(scheme).to_ascii_lowercase();
        match dialect.as_str() {
            "sqlite" => sqlite_file(rest),
            "mysql" | "mariadb" => Ok(Self::MySql(Server::parse(&dialect, rest)?)),
            "postgresql" => Ok(Self::Postgres(Server::parse(&dialect, rest)?)),
            _ => Err(UrlError::UnknownDialect { dialect }),
        }
    }
}

/// The path is taken as it stands, without percent-decoding, up to a question mark: so does
/// SQLAlchemy (`sqlalchemy/engine/url.py`, `_parse_url`). Options behind the question mark belong
/// to Python's driver and are passed over.
fn sqlite_file(rest: &str) -> Result<Target, UrlError> {
    if rest.is_empty() {
        return Err(UrlError::NoFile);
    }
    let path = rest.strip_prefix('/').ok_or(UrlError::HostInSqlite)?;
    let path = path.split('?').next().unwrap_or(path);
    if path.is_empty() || path == ":memory:" {
        return Err(UrlError::NoFile);
    }
    Ok(Target::SqliteFile(PathBuf::from(path)))
}

// === impl Server ===

impl Server {
    /// Reads `user:password@host:port/database?name=value&…`. User and password are
    /// percent-decoded, options as in a form; the rest stands for itself
    /// (`sqlalchemy/engine/url.py`, `_parse_url`).
    fn parse(dialect: &str, rest: &str) -> Result<Self, UrlError> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        if database.is_empty() {
            return Err(UrlError::NoDatabase { dialect: dialect.to_owned() });
        }
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let mut server = Self { database: database.to_owned(), ..Self::default() };
        if let Some(login) = login {
            let (user, password) = match login.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (login, None),
            };
            server.user = Some(decoded(user)?).filter(|user| !user.is_empty());
            server.password = password.map(decoded).transpose()?;
        }
        let (host, port) = match place.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        server.host = Some(host.to_owned()).filter(|host| !host.is_empty());
        if let Some(port) = port.filter(|port| !port.is_empty()) {
            server.port = Some(port.parse().map_err(|_| UrlError::BadPort)?);
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let form = |text: &str| decoded(&text.replace('+', " "));
            server.options.push((form(name)?, form(value)?));
        }
        Ok(server)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the password; nor the options, which may hold one.
        f.debug_struct("Server")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

fn decoded(text: &str) -> Result<String, UrlError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| UrlError::NotUtf8)?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn files_are_read_as_sqlalchemy_reads_them() {
        let file = |path: &str| Ok(Target::SqliteFile(PathBuf::from(path)));
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
        check("oracle://x", Err(UrlError::UnknownDialect { dialect: "oracle".to_owned() }));
        check("/var/lib/glance.sqlite", Err(UrlError::NotAUrl));
    }

    #[test]
    fn servers_are_read_as_sqlalchemy_reads_them() {
        let plain = || Server { host: some("db"), database: "g".to_owned(), ..Server::default() };
        let check = |url: &str, expected: Result<Server, UrlError>| {
            let found = match Target::parse(url) {
                Ok(Target::MySql(server) | Target::Postgres(server)) => Ok(server),
                Ok(Target::SqliteFile(path)) => panic!("{url} is {path:?}"),
                Err(error) => Err(error),
            };
            assert_eq!(found, expected, "{url}");
        };
        check("mysql://db/g", Ok(plain()));
        check("mariadb+pymysql://db/g", Ok(plain()));
        check("postgresql+psycopg2://db/g", Ok(plain()));
        let user = some("glance");
        check("mysql://glance@db/g", Ok(Server { user: user.clone(), ..plain() }));
        let password = some("a@b:c/d%");
        let full = Server { user: user.clone(), password, port: Some(3307), ..plain() };
        check("mysql+pymysql://glance:a%40b:c%2Fd%25@db:3307/g", Ok(full));
        let at = Server { user: user.clone(), password: some("a@b"), ..plain() };
        check("mysql://glance:a@b@db/g", Ok(at));
        let options = vec![
            ("charset".to_owned(), "utf8".to_owned()),
            ("unix_socket".to_owned(), "/run/my sql.sock".to_owned()),
        ];
        let socket = Server { host: None, user, options, ..plain() };
        check("mysql://glance@/g?charset=utf8&unix_socket=%2Frun/my+sql.sock", Ok(socket));
        let v6 = Server { host: some("fd00::1"), port: Some(5432), ..plain() };
        check("postgresql://[fd00::1]:5432/g", Ok(v6));
        check("postgresql://db:/g", Ok(plain()));
        check("postgresql://db:70000/g", Err(UrlError::BadPort));
        check("postgresql://u:%ff@db/g", Err(UrlError::NotUtf8));
        check("mysql://db/", Err(UrlError::NoDatabase { dialect: "mysql".to_owned() }));
        check("mysql://db", Err(UrlError::NoDatabase { dialect: "mysql".to_owned() }));
    }

    #[test]
    fn nothing_shows_a_password() {
        let target =
            Target::parse("mysql://glance:hush@db/g?ssl_key_password=hush").expect("a URL");
        assert!(!format!("{target:?}").contains("hush"));
        let error = Target::parse("mysql://glance:hush@db:port/g").expect_err("a bad port");
        assert!(!format!("{error} {error:?}").contains("hush"));
        let check = |url: &str, expected: &str| assert_eq!(shown(url), expected, "{url}");
        check("mysql+pymysql://g:hu@sh@db:3306/g?ssl_key=x", "mysql+pymysql://g@db:3306/g");
        check("postgresql:///g?password=hush", "postgresql:///g");
        check("mysql://g:hush@db", "mysql://");
        check("sqlite:////srv/g.sqlite", "sqlite:////srv/g.sqlite");
    }
}
