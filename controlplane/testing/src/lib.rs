//! Empty databases for tests: a SQLite file, or a database of its own on the PostgreSQL or MariaDB
//! server that `tests/databases` runs.
//!
//! A test is written once and run on every database by [`on_every_database`]. Where there is no
//! server (`GLINT_TEST_POSTGRESQL`, `GLINT_TEST_MARIADB`) it says so and passes: `tests/run` always
//! provides them. Invariant: what a place holds goes with it, also when its test fails.

#![allow(clippy::print_stderr, reason = "a test says what it left out")]

use std::path::PathBuf;
use std::str::FromStr as _;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A SQLite file.
    Sqlite,
    /// A database on a PostgreSQL server.
    Postgresql,
    /// A database on a MariaDB server.
    Mariadb,
}

/// Why a step of a test's own does not fail; where it does, so does the test.
const ANSWERS: &str = "the database of a test is there and answers";

tokio::task_local! {
    static KIND: Kind;
}

/// An empty database, removed with this.
#[derive(Debug)]
pub struct Place {
    kind: Kind,
    /// The directory, or the name of the database.
    name: String,
}

/// Runs tests, which are async functions of the module, on every kind of database.
#[macro_export]
macro_rules! on_every_database {
    ($($name:ident),+ $(,)?) => {
        $crate::on_every_database!(@ sqlite Sqlite: $($name),+);
        $crate::on_every_database!(@ postgresql Postgresql: $($name),+);
        $crate::on_every_database!(@ mariadb Mariadb: $($name),+);
    };
    (@ $module:ident $kind:ident: $($name:ident),+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $name() {
                    $crate::on($crate::Kind::$kind, super::$name()).await;
                }
            )+
        }
    };
}

/// Runs a test on one kind of database, if there is one.
pub async fn on(kind: Kind, test: impl Future<Output = ()>) {
    if kind != Kind::Sqlite && kind.server().is_none() {
        eprintln!("left out: {} is not set; see tests/databases", kind.variable());
        return;
    }
    KIND.scope(kind, test).await;
}

// === impl Kind ===

impl Kind {
    /// The kind that the test at hand runs on.
    #[must_use]
    pub fn current() -> Self {
        KIND.try_with(|kind| *kind).unwrap_or(Self::Sqlite)
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgresql => "GLINT_TEST_POSTGRESQL",
            Self::Mariadb => "GLINT_TEST_MARIADB",
        }
    }

    /// The URL of the server, without the name of a database.
    fn server(self) -> Option<String> {
        std::env::var(self.variable()).ok()
    }

    /// The URL of a database on the server for this crate's own driver.
    fn plain_url(self, database: &str) -> String {
        let server = self.server().expect("tests are run on servers that are there");
        let (scheme, rest) = server.split_once("://").expect(ANSWERS);
        let scheme = scheme.split('+').next().expect(ANSWERS);
        format!("{scheme}://{rest}/{database}")
    }
}

// === impl Place ===

impl Place {
    /// Makes an empty database of the kind that the test runs on.
    pub async fn new() -> Self {
        let kind = Kind::current();
        let random = uuid::Uuid::new_v4().simple().to_string();
        let name = match kind {
            Kind::Sqlite => {
                let path = std::env::temp_dir().join(format!("glint-db-{random}"));
                std::fs::create_dir(&path).expect(ANSWERS);
                path.to_str().expect(ANSWERS).to_owned()
            }
            Kind::Postgresql | Kind::Mariadb => format!("glint_{random}"),
        };
        let place = Self { kind, name };
        match kind {
            Kind::Sqlite => {}
            Kind::Postgresql => {
                place.administer(format!("CREATE DATABASE {}", place.name)).await;
                // What the other two have, for what tests ask.
                let aggregate = "CREATE AGGREGATE group_concat(text) (SFUNC = group_concat_step, \
                                 STYPE = text)";
                let step = "CREATE FUNCTION group_concat_step(text, text) RETURNS text LANGUAGE \
                            SQL IMMUTABLE STRICT AS 'SELECT $1 || '','' || $2'";
                place.run(step).await;
                place.run(aggregate).await;
            }
            Kind::Mariadb => place.administer(format!("CREATE DATABASE {}", place.name)).await,
        }
        place
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its URL, as the configuration has it.
    #[must_use]
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Sqlite => format!("sqlite:///{}", self.file().display()),
            kind => format!("{}/{}", kind.server().expect(ANSWERS), self.name),
        }
    }

    /// The SQLite file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        assert_eq!(self.kind, Kind::Sqlite, "a database on a server is no file");
        PathBuf::from(&self.name).join("glance.sqlite")
    }

    /// A connection of the test's own to the SQLite file.
    pub async fn sqlite(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.file()).create_if_missing(true);
        options.connect().await.expect(ANSWERS)
    }

    async fn postgresql(&self) -> PgConnection {
        let url = self.kind.plain_url(&self.name);
        PgConnectOptions::from_str(&url).expect(ANSWERS).connect().await.expect(ANSWERS)
    }

    async fn mariadb(&self) -> MySqlConnection {
        let url = self.kind.plain_url(&self.name);
        MySqlConnectOptions::from_str(&url).expect(ANSWERS).connect().await.expect(ANSWERS)
    }

    /// The first column of every row of a statement of the test's own, as text; `NULL` for nothing.
    /// Yes and no are 1 and 0 where they are joined to a text by their names, and a time has
    /// a fraction only where it is not zero.
    pub async fn texts(&self, text: &str) -> Vec<String> {
        let text = match self.kind {
            Kind::Sqlite => format!("SELECT CAST(answer AS TEXT) FROM ({text}) AS t"),
            Kind::Postgresql => {
                let mut text = text.to_owned();
                for flag in ["deleted", "protected"] {
                    for end in [" ", ")"] {
                        let plain = format!("|| {flag}{end}");
                        text = text.replace(&plain, &format!("|| {flag}::int{end}"));
                    }
                }
                format!("SELECT CAST(answer AS TEXT) FROM ({text}) AS t")
            }
            Kind::Mariadb => format!("SELECT CAST(answer AS CHAR) FROM ({text}) AS t"),
        };
        let text = AssertSqlSafe(text);
        let found: Vec<Option<String>> = match self.kind {
            Kind::Sqlite => {
                let mut raw = self.sqlite().await;
                let rows = sqlx::query(text).fetch_all(&mut raw).await.expect(ANSWERS);
                raw.close().await.expect(ANSWERS);
                rows.iter().map(|row| row.get(0)).collect()
            }
            Kind::Postgresql => {
                let mut raw = self.postgresql().await;
                let rows = sqlx::query(text).fetch_all(&mut raw).await.expect(ANSWERS);
                raw.close().await.expect(ANSWERS);
                rows.iter().map(|row| row.get(0)).collect()
            }
            Kind::Mariadb => {
                let mut raw = self.mariadb().await;
                let rows = sqlx::query(text).fetch_all(&mut raw).await.expect(ANSWERS);
                raw.close().await.expect(ANSWERS);
                rows.iter().map(|row| row.get(0)).collect()
            }
        };
        let shown = |text: Option<String>| text.unwrap_or_else(|| "NULL".to_owned());
        found.into_iter().map(|text| shown(text).replace(".000000", "")).collect()
    }

    /// The one value that a query of the test's own gives, as [`Place::texts`] does.
    pub async fn text(&self, text: &str) -> String {
        self.texts(&format!("SELECT ({text}) AS answer")).await.remove(0)
    }

    /// Runs a change of the test's own.
    pub async fn run(&self, text: &str) {
        let text = sqlx::raw_sql(AssertSqlSafe(text));
        match self.kind {
            Kind::Sqlite => {
                let mut raw = self.sqlite().await;
                text.execute(&mut raw).await.expect(ANSWERS);
                raw.close().await.expect(ANSWERS);
            }
            Kind::Postgresql => {
                let mut raw = self.postgresql().await;
                text.execute(&mut raw).await.expect(ANSWERS);
                raw.close().await.expect(ANSWERS);
            }
            Kind::Mariadb => {
                let mut raw = self.mariadb().await;
                text.execute(&mut raw).await.expect(ANSWERS);
                raw.close().await.expect(ANSWERS);
            }
        }
    }

    /// Runs a statement outside of the database.
    async fn administer(&self, text: String) {
        let text = sqlx::raw_sql(AssertSqlSafe(text));
        match self.kind {
            Kind::Sqlite => unreachable!("a file has no server"),
            Kind::Postgresql => {
                let url = self.kind.plain_url("postgres");
                let mut raw = PgConnectOptions::from_str(&url)
                    .expect(ANSWERS)
                    .connect()
                    .await
                    .expect(ANSWERS);
                text.execute(&mut raw).await.expect(ANSWERS);
                raw.close().await.expect(ANSWERS);
            }
            Kind::Mariadb => {
                let url = self.kind.plain_url("");
                let mut raw = MySqlConnectOptions::from_str(&url)
                    .expect(ANSWERS)
                    .connect()
                    .await
                    .expect(ANSWERS);
                text.execute(&mut raw).await.expect(ANSWERS);
                raw.close().await.expect(ANSWERS);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let removal = match self.kind {
            Kind::Sqlite => {
                drop(std::fs::remove_dir_all(&self.name));
                return;
            }
            Kind::Postgresql => format!("DROP DATABASE {} WITH (FORCE)", self.name),
            Kind::Mariadb => format!("DROP DATABASE {}", self.name),
        };
        // A runtime of its own: the test's may be at its end.
        std::thread::scope(|scope| {
            let removed = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect(ANSWERS).block_on(self.administer(removal));
            });
            if removed.join().is_err() {
                eprintln!("the database {} could not be removed", self.name);
            }
        });
    }
}
