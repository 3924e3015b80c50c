//! How database servers are reached, and what each connection to one is told first.
//!
//! Turns a URL's options into those of the drivers: what PyMySQL and psycopg2 take in Glance's URLs
//! is either followed, or listed here as without meaning; anything else is refused, as it is by
//! them. Invariants: a writing connection reads what is committed (READ COMMITTED) and a reading one
//! snapshots (REPEATABLE READ); no wait for a lock is longer than [`limits::DB_WAIT_MS_MAX`]; the
//! lock of a control plane that vanished is released after [`limits::DB_ABANDONED_S`].

use std::time::Duration;

use glint_image::limits;
use sqlx::mysql::{
    MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlPoolOptions, MySqlSslMode,
};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::pool::DatabaseOptions;
use crate::url::{Server, UrlError};

/// PyMySQL's options that a service without Python has no use for: the connection always speaks
/// UTF-8, and waits are bounded by this service's own limits.
const MYSQL_WITHOUT_MEANING: [&str; 9] = [
    "charset",
    "use_unicode",
    "connect_timeout",
    "read_timeout",
    "write_timeout",
    "local_infile",
    "binary_prefix",
    "program_name",
    "autocommit",
];

/// Keeps MariaDB, which alone reads such comments, from making a table of all members of all images
/// to answer whether one of an image is the caller's: an index says it for the few images of a page.
const EXISTS_AS_IT_IS: &str = "/*M! , SESSION optimizer_switch = 'exists_to_in=off' */";

/// libpq's options that are as good as met, or that concern its own way of waiting.
const POSTGRES_WITHOUT_MEANING: [&str; 8] = [
    "client_encoding",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "gssencmode",
];

/// Connections that write to a PostgreSQL server, and connections that read. Nothing is opened yet.
pub(crate) fn postgres(
    server: &Server,
    options: &DatabaseOptions,
) -> Result<(PgPool, PgPool), UrlError> {
    let login = postgres_login(server)?;
    let pool = |connections: u32| {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(options.wait_max)
            .max_lifetime(options.recycle)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    let text = format!(
                        "SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}",
                        limits::DB_WAIT_MS_MAX,
                        limits::DB_ABANDONED_S * 1000,
                    );
                    connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await?;
                    Ok(())
                })
            })
    };
    let writers = pool(limits::DB_WRITERS_MAX).connect_lazy_with(login.clone());
    Ok((writers, pool(readers(options)).connect_lazy_with(login)))
}

/// Connections that write to a MariaDB or MySQL server, and connections that read. Nothing is
/// opened yet.
pub(crate) fn mysql(
    server: &Server,
    options: &DatabaseOptions,
) -> Result<(MySqlPool, MySqlPool), UrlError> {
    let login = mysql_login(server)?;
    let pool = |connections: u32, session: String| {
        let mode = options.mysql_sql_mode.clone();
        MySqlPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(options.wait_max)
            .max_lifetime(options.recycle)
            .after_connect(move |connection, _| {
                let (session, mode) = (session.clone(), mode.clone());
                Box::pin(async move { mysql_session(connection, session, mode).await })
            })
    };
    let mut session = format!(
        "SET SESSION innodb_lock_wait_timeout = {seconds}, SESSION lock_wait_timeout = {seconds} \
         {EXISTS_AS_IT_IS}",
        seconds = limits::DB_WAIT_MS_MAX / 1000,
    );
    if let Some(wait) = options.mysql_wsrep_sync_wait {
        session.push_str(&format!(", SESSION wsrep_sync_wait = {wait}"));
    }
    let level = "SET SESSION TRANSACTION ISOLATION LEVEL";
    // The server ends a connection that is silent for so long, in a transaction too: that releases
    // the lock of a control plane that vanished. The pool lets go of idle ones before.
    let abandoned = limits::DB_ABANDONED_S;
    let writing = format!("{session}, SESSION wait_timeout = {abandoned}; {level} READ COMMITTED");
    let writers = pool(limits::DB_WRITERS_MAX, writing)
        .idle_timeout(Duration::from_secs(abandoned / 2))
        .connect_lazy_with(login.clone());
    let reading = format!("{session}; {level} REPEATABLE READ");
    Ok((writers, pool(readers(options), reading).connect_lazy_with(login)))
}

/// Settings of one connection, and the mode: a text of the configuration, sent beside the statement.
async fn mysql_session(
    connection: &mut MySqlConnection,
    session: String,
    mode: Option<String>,
) -> Result<(), sqlx::Error> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(session))).await?;
    if let Some(mode) = mode {
        sqlx::query("SET SESSION sql_mode = ?").bind(mode).execute(connection).await?;
    }
    Ok(())
}

fn readers(options: &DatabaseOptions) -> u32 {
    options.connections_max.clamp(1, limits::DB_CONNECTIONS_MAX)
}

fn postgres_login(server: &Server) -> Result<PgConnectOptions, UrlError> {
    let mut login = PgConnectOptions::new_without_pgpass().database(&server.database);
    if let Some(host) = &server.host {
        login = login.host(host);
    }
    if let Some(port) = server.port {
        login = login.port(port);
    }
    if let Some(user) = &server.user {
        login = login.username(user);
    }
    if let Some(password) = &server.password {
        login = login.password(password);
    }
    for (name, value) in &server.options {
        let bad = || UrlError::BadOption { name: name.clone() };
        login = match name.as_str() {
            "host" if value.starts_with('/') => login.socket(value),
            "host" => login.host(value),
            "port" => login.port(value.parse().map_err(|_| bad())?),
            "user" => login.username(value),
            "password" => login.password(value),
            "sslmode" => login.ssl_mode(value.parse::<PgSslMode>().map_err(|_| bad())?),
            "sslrootcert" => login.ssl_root_cert(value),
            "sslcert" => login.ssl_client_cert(value),
            "sslkey" => login.ssl_client_key(value),
            "application_name" => login.application_name(value),
            known if POSTGRES_WITHOUT_MEANING.contains(&known) => login,
            _ => return Err(unknown("postgresql", name)),
        };
    }
    Ok(login)
}

fn mysql_login(server: &Server) -> Result<MySqlConnectOptions, UrlError> {
    // What the driver would set by itself is left to `mysql_sql_mode`.
    let mut login = MySqlConnectOptions::new()
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .database(&server.database);
    if let Some(host) = &server.host {
        login = login.host(host);
    }
    if let Some(port) = server.port {
        login = login.port(port);
    }
    if let Some(user) = &server.user {
        login = login.username(user);
    }
    if let Some(password) = &server.password {
        login = login.password(password);
    }
    let (mut verified, mut host_checked) = (false, true);
    for (name, value) in &server.options {
        login = match name.as_str() {
            "unix_socket" => login.socket(value),
            "ssl_ca" => {
                verified = true;
                login.ssl_ca(value)
            }
            "ssl_cert" => login.ssl_client_cert(value).ssl_mode(MySqlSslMode::Required),
            "ssl_key" => login.ssl_client_key(value).ssl_mode(MySqlSslMode::Required),
            "ssl_check_hostname" => {
                host_checked = !["false", "0", "no", "off"].contains(&value.as_str());
                login
            }
            known if MYSQL_WITHOUT_MEANING.contains(&known) => login,
            _ => return Err(unknown("mysql", name)),
        };
    }
    // PyMySQL checks the server's certificate where it has an authority to check it with
    // (`pymysql/connections.py`, `_create_ssl_ctx`).
    Ok(match (verified, host_checked) {
        (true, true) => login.ssl_mode(MySqlSslMode::VerifyIdentity),
        (true, false) => login.ssl_mode(MySqlSslMode::VerifyCa),
        (false, _) => login,
    })
}

fn unknown(dialect: &'static str, name: &str) -> UrlError {
    UrlError::UnknownOption { dialect, name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::Target;

    fn server(url: &str) -> Server {
        match Target::parse(url) {
            Ok(Target::MySql(server) | Target::Postgres(server)) => server,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_of_mysql_urls() {
        let check = |options: &str, expected: Result<&str, &str>| {
            let found = mysql_login(&server(&format!("mysql+pymysql://u:p@db/g?{options}")));
            let found = found.map(|login| format!("{:?}", login.get_ssl_mode()));
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{options}");
        };
        check("charset=utf8", Ok("Preferred"));
        check("ssl_ca=/etc/ca.pem", Ok("VerifyIdentity"));
        check("ssl_ca=/etc/ca.pem&ssl_check_hostname=false", Ok("VerifyCa"));
        check("ssl_cert=/c.pem&ssl_key=/k.pem", Ok("Required"));
        check(
            "frobnicate=1",
            Err("the database URL has the option \"frobnicate\", which is not known for mysql"),
        );
        let socket = mysql_login(&server("mysql://u@/g?unix_socket=/run/m.sock")).expect("known");
        assert_eq!(socket.get_socket().and_then(|path| path.to_str()), Some("/run/m.sock"));
    }

    #[test]
    fn options_of_postgresql_urls() {
        let check = |options: &str, expected: Result<&str, &str>| {
            let found = postgres_login(&server(&format!("postgresql://u:p@db/g?{options}")));
            let found = found.map(|login| format!("{:?}", login.get_ssl_mode()));
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{options}");
        };
        check("client_encoding=utf8&sslmode=disable", Ok("Disable"));
        check("sslmode=verify-full&sslrootcert=/etc/ca.pem", Ok("VerifyFull"));
        let bad = "the option \"sslmode\" of the database URL has a value that cannot be used";
        check("sslmode=maybe", Err(bad));
        let unknown =
            "the database URL has the option \"ssl_ca\", which is not known for postgresql";
        check("ssl_ca=/etc/ca.pem", Err(unknown));
        let socket = postgres_login(&server("postgresql://u@/g?host=/run/pg")).expect("known");
        assert_eq!(socket.get_socket().and_then(|path| path.to_str()), Some("/run/pg"));
    }
}
