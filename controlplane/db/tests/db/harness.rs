//! A database of a test's own, removed with it; images to put into it.

use controlplane_db::Database;
use controlplane_domain::Image;
use controlplane_domain::quota::StorageQuota;
use controlplane_testing::{Kind, Place};
use glint_image::{ImageId, NodeId, Seq, Status, Visibility};
use time::{Date, Duration, Month, PrimitiveDateTime, Time};

/// No limit.
pub(crate) const FREE: StorageQuota = StorageQuota::NONE;

/// A database and a handle on it.
pub(crate) struct Bench {
    pub(crate) db: Database,
    pub(crate) dir: Place,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let dir = Place::new().await;
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

/// A point in time, so many seconds after an arbitrary one. A whole one: MariaDB drops fractions.
pub(crate) fn at(seconds: i64) -> PrimitiveDateTime {
    let date = Date::from_calendar_date(2026, Month::November, 21).unwrap();
    PrimitiveDateTime::new(date, Time::from_hms(8, 44, 31).unwrap()) + Duration::seconds(seconds)
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

/// Whether the database takes letters that differ in case for the same, as Glance's tables on
/// MariaDB do.
pub(crate) fn folds_case() -> bool {
    Kind::current() == Kind::Mariadb
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
pub(crate) async fn add_member(dir: &Place, image: ImageId, member: &str, status: &str) {
    dir.run(&format!(
        "INSERT INTO image_members (image_id, member, can_share, created_at, deleted, status) \
         VALUES ('{image}', '{member}', FALSE, '2026-11-21 08:44:31', FALSE, '{status}')"
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
