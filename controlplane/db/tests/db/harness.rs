//! A database in a directory of its own, removed with it; a second way into the file; images to put
//! into it.

use std::path::PathBuf;

use controlplane_db::Database;
use controlplane_domain::Image;
use controlplane_domain::quota::StorageQuota;
use glint_image::{ImageId, NodeId, Seq, Status, Visibility};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};
use time::{Date, Duration, Month, PrimitiveDateTime, Time};

/// No limit.
pub(crate) const FREE: StorageQuota = StorageQuota::NONE;

/// A database file and a handle on it.
pub(crate) struct Bench {
    pub(crate) db: Database,
    pub(crate) dir: Dir,
}

/// A directory that goes when this does.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("glint-db-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("glance.sqlite")
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:///{}", self.file().display())
    }

    /// A connection of the test's own.
    pub(crate) async fn raw(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.file()).create_if_missing(true);
        options.connect().await.unwrap()
    }

    /// Rows of a statement of the test's own.
    pub(crate) async fn rows(&self, text: &str) -> Vec<SqliteRow> {
        let mut raw = self.raw().await;
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut raw).await.unwrap();
        raw.close().await.unwrap();
        rows
    }

    /// The first column of the first row, as text.
    pub(crate) async fn text(&self, text: &str) -> String {
        use sqlx::Row as _;
        let rows = self.rows(&format!("SELECT CAST(({text}) AS TEXT)")).await;
        rows[0].get::<Option<String>, _>(0).unwrap_or_else(|| "NULL".to_owned())
    }

    /// Runs a change of the test's own.
    pub(crate) async fn run(&self, text: &str) {
        self.rows(text).await;
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let dir = Dir::new();
        let db = Database::connect(&dir.url()).await.unwrap();
        Self { db, dir }
    }

    /// An image in the catalogue, waiting for bytes.
    pub(crate) async fn queued(&self) -> ImageId {
        let image = image();
        self.db.image_create(&image).await.unwrap();
        image.id
    }
}

/// A point in time, so many seconds after an arbitrary one.
pub(crate) fn at(seconds: i64) -> PrimitiveDateTime {
    let date = Date::from_calendar_date(2026, Month::November, 21).unwrap();
    PrimitiveDateTime::new(date, Time::from_hms_micro(8, 44, 31, 881_440).unwrap())
        + Duration::seconds(seconds)
}

/// An image of no special traits.
pub(crate) fn image() -> Image {
    Image {
        id: ImageId::random(),
        name: None,
        status: Status::Queued,
        visibility: Visibility::Shared,
        protected: false,
        os_hidden: false,
        owner: Some("proj-a".to_owned()),
        disk_format: Some("raw".to_owned()),
        container_format: Some("bare".to_owned()),
        min_disk: 0,
        min_ram: 0,
        size: None,
        virtual_size: None,
        checksum: None,
        os_hash_algo: None,
        os_hash_value: None,
        created_at: at(0),
        updated_at: at(0),
        properties: Vec::new(),
        tags: Vec::new(),
        locations: Vec::new(),
        members: Vec::new(),
        upload: None,
        seq: Seq(0),
    }
}

pub(crate) fn texts(given: &[&str]) -> Vec<String> {
    given.iter().map(|&text| text.to_owned()).collect()
}

pub(crate) fn pairs(given: &[(&str, &str)]) -> Vec<(String, String)> {
    given.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub(crate) fn node(number: u8) -> NodeId {
    NodeId([number; 16])
}

/// A row in `image_members`, as Glance writes it.
pub(crate) async fn add_member(dir: &Dir, image: ImageId, member: &str, status: &str) {
    dir.run(&format!(
        "INSERT INTO image_members (image_id, member, can_share, created_at, deleted, status) \
         VALUES ('{image}', '{member}', 0, '2026-11-21 08:44:31.881440', 0, '{status}')"
    ))
    .await;
}

/// Numbers that look random and are the same for the same seed (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % bound
    }

    /// One of these.
    pub(crate) fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// Yes, once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}
