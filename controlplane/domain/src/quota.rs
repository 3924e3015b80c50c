//! What one image may hold (Glance: `glance/quota/__init__.py`).
//!
//! Leaves quotas per project to the caller. Invariant: a refusal names what was attempted and the
//! maximum, as Glance's message does.

use std::fmt;

use crate::attributes;

/// The limits per image. Negative means none, as in Glance's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// `image_property_quota`.
    pub properties: i64,
    /// `image_tag_quota`.
    pub tags: i64,
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
            let quotas = Quotas { properties: -1, tags: maximum };
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
        let quotas = |properties| Quotas { properties, tags: -1 };
        assert_eq!(quotas(2).check_properties(names.into_iter()), Ok(()));
        let refused = quotas(1).check_properties(names.into_iter()).expect_err("two of one");
        assert_eq!(
            refused.to_string(),
            "The limit has been exceeded on the number of allowed image properties. \
             Attempted: 2, Maximum: 1"
        );
    }
}
