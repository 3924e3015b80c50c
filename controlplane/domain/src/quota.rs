//! What one image may hold, and what the images of one project may take together (Glance:
//! `glance/quota/__init__.py`; `glance/api/common.py`, `check_quota`).
//!
//! Leaves counting what there is to the caller. Invariant: a refusal names what was attempted and
//! the maximum, as Glance's message does.

use std::fmt;

use crate::attributes;

/// The limits per image. Negative means none, as in Glance's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// `image_property_quota`.
    pub properties: i64,
    /// `image_tag_quota`.
    pub tags: i64,
    /// `image_location_quota`.
    pub locations: i64,
}

/// What there would be too many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Custom properties.
    Properties,
    /// Tags.
    Tags,
    /// Members.
    Members,
    /// Locations.
    Locations,
}

/// An image would hold more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "The limit has been exceeded on the number of allowed image {counted}. \
     Attempted: {attempted}, Maximum: {maximum}"
)]
pub struct QuotaExceeded {
    /// Of what.
    pub counted: Counted,
    /// How many there would be.
    pub attempted: usize,
    /// How many there may be.
    pub maximum: i64,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Properties => "properties",
            Self::Tags => "tags",
            Self::Members => "members for this image",
            Self::Locations => "locations",
        })
    }
}

impl Quotas {
    /// Checks a set of custom property names. Glance's own `os_glance…` properties do not count.
    ///
    /// # Errors
    /// [`QuotaExceeded`].
    pub fn check_properties<'a>(
        self,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), QuotaExceeded> {
        let attempted = names.filter(|name| !attributes::is_reserved_namespace(name)).count();
        check(Counted::Properties, attempted, self.properties)
    }

    /// Checks a number of locations.
    ///
    /// # Errors
    /// [`QuotaExceeded`].
    pub fn check_locations(self, attempted: usize) -> Result<(), QuotaExceeded> {
        check(Counted::Locations, attempted, self.locations)
    }

    /// Checks a number of different tags.
    ///
    /// # Errors
    /// [`QuotaExceeded`].
    pub fn check_tags(self, attempted: usize) -> Result<(), QuotaExceeded> {
        check(Counted::Tags, attempted, self.tags)
    }
}

/// Checks a number of members against `image_member_quota`.
///
/// # Errors
/// [`QuotaExceeded`].
pub fn check_members(attempted: usize, maximum: i64) -> Result<(), QuotaExceeded> {
    check(Counted::Members, attempted, maximum)
}

/// `user_storage_quota`: most bytes that the images of one project may take together, each counted
/// once per location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct StorageQuota {
    /// `None`: no limit.
    bytes: Option<u64>,
}

/// The images of a project would take more than they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "The size of the data {} will exceed the limit. {remaining} bytes remaining.",
    .wanted.map_or_else(|| "None".to_owned(), |bytes| bytes.to_string())
)]
pub struct StorageFull {
    /// How many bytes more there would be, if that is known.
    pub wanted: Option<u64>,
    /// How many more there may be; negative where there are too many already.
    pub remaining: i128,
}

// === impl StorageQuota ===

impl StorageQuota {
    /// No limit.
    pub const NONE: Self = Self { bytes: None };

    /// So many bytes; 0 is no limit, as in Glance's configuration.
    #[must_use]
    pub fn of_bytes(bytes: u64) -> Self {
        Self { bytes: Some(bytes).filter(|bytes| *bytes > 0) }
    }

    /// Whether there is a limit at all.
    #[must_use]
    pub fn is_limited(self) -> bool {
        self.bytes.is_some()
    }

    /// Checks bytes that are to come on top of those `used`. Returns how many may come; `None`:
    /// no limit. What comes in unknown number is refused only where there is no room at all.
    ///
    /// # Errors
    /// [`StorageFull`].
    pub fn admit(self, used: u64, wanted: Option<u64>) -> Result<Option<u64>, StorageFull> {
        let Some(quota) = self.bytes else { return Ok(None) };
        let remaining = i128::from(quota) - i128::from(used);
        let fits = wanted.map_or(remaining > 0, |bytes| i128::from(bytes) <= remaining);
        if !fits {
            return Err(StorageFull { wanted, remaining });
        }
        Ok(Some(u64::try_from(remaining).unwrap_or(0)))
    }
}

fn check(counted: Counted, attempted: usize, maximum: i64) -> Result<(), QuotaExceeded> {
    match usize::try_from(maximum) {
        Ok(bound) if attempted > bound => Err(QuotaExceeded { counted, attempted, maximum }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_itself_fits_and_a_negative_one_is_none() {
        let check = |maximum: i64, attempted: usize, good: bool| {
            let quotas = Quotas { properties: -1, tags: maximum, locations: -1 };
            assert_eq!(quotas.check_tags(attempted).is_ok(), good, "{attempted} of {maximum}");
        };
        check(128, 128, true);
        check(128, 129, false);
        check(0, 0, true);
        check(0, 1, false);
        check(-1, 100_000, true);
        let refused = check_members(3, 2).expect_err("three of two").to_string();
        assert_eq!(
            refused,
            "The limit has been exceeded on the number of allowed image members for this image. \
             Attempted: 3, Maximum: 2"
        );
    }

    #[test]
    fn the_message_is_glances_and_own_properties_are_free() {
        let names = ["a", "os_glance_import_task", "b"];
        let quotas = |properties| Quotas { properties, tags: -1, locations: -1 };
        assert_eq!(quotas(2).check_properties(names.into_iter()), Ok(()));
        let refused = quotas(1).check_properties(names.into_iter()).expect_err("two of one");
        assert_eq!(
            refused.to_string(),
            "The limit has been exceeded on the number of allowed image properties. \
             Attempted: 2, Maximum: 1"
        );
    }

    #[test]
    fn storage_is_admitted_up_to_the_last_byte() {
        let check = |quota: u64, used: u64, wanted: Option<u64>, expected: Result<_, &str>| {
            let found = StorageQuota::of_bytes(quota).admit(used, wanted);
            assert_eq!(found.map_err(|full| full.to_string()), expected.map_err(str::to_owned));
        };
        check(0, u64::MAX, Some(u64::MAX), Ok(None));
        check(100, 40, Some(60), Ok(Some(60)));
        check(100, 100, Some(0), Ok(Some(0)));
        check(100, 99, None, Ok(Some(1)));
        let text = "The size of the data 61 will exceed the limit. 60 bytes remaining.";
        check(100, 40, Some(61), Err(text));
        let text = "The size of the data None will exceed the limit. 0 bytes remaining.";
        check(100, 100, None, Err(text));
        let text = "The size of the data 0 will exceed the limit. -1 bytes remaining.";
        check(100, 101, Some(0), Err(text));
    }
}
