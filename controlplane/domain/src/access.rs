//! Who may see an image, and which changes take sight of it away from somebody
//! (Glance: `glance/db/sqlalchemy/api.py`, `is_image_visible`).
//!
//! Leaves policies to the caller. Invariant: [`restricts`] says yes whenever there may be a caller
//! that could start a download before a change and cannot after it.

use glint_image::{Status, Visibility};

use crate::context::Context;
use crate::image::{Image, ImageLocation};

/// Whether the image exists for this caller.
#[must_use]
pub fn is_visible(caller: &Context, image: &Image) -> bool {
    if image.status == Status::Deleted {
        return false;
    }
    // An image without an owner is nobody's to hide (`is_image_visible`).
    if caller.is_admin || image.owner.is_none() {
        return true;
    }
    match image.visibility {
        Visibility::Public | Visibility::Community => true,
        Visibility::Private => caller.project.is_some() && caller.project == image.owner,
        Visibility::Shared => caller.project.as_ref().is_some_and(|project| {
            image.owner.as_ref() == Some(project) || image.members.contains(project)
        }),
    }
}

/// Whether the caller's changes of the image are saved: whatever policies say, only the owner's and
/// administrators' are (`glance/db/sqlalchemy/api.py`, `is_image_mutable`).
#[must_use]
pub fn is_mutable(caller: &Context, image: &Image) -> bool {
    caller.is_admin || image.owner.is_some() && image.owner == caller.project
}

/// The locations that a caller is shown: of a deactivated image only administrators see any
/// (`glance/db/sqlalchemy/api.py`, `_normalize_locations`).
#[must_use]
pub fn shown_locations<'a>(caller: &Context, image: &'a Image) -> &'a [ImageLocation] {
    if image.status == Status::Deactivated && !caller.is_admin { &[] } else { &image.locations }
}

/// Whether somebody may lose access when `before` becomes `after`.
#[must_use]
pub fn restricts(before: &Image, after: &Image) -> bool {
    let open =
        |image: &Image| matches!(image.visibility, Visibility::Public | Visibility::Community);
    let reach = |image: &Image| match image.visibility {
        Visibility::Public | Visibility::Community => 2,
        Visibility::Shared => 1,
        Visibility::Private => 0,
    };
    let lost_member = after.visibility == Visibility::Shared
        && before.members.iter().any(|member| !after.members.contains(member));
    let lost_bytes =
        before.locations.iter().any(|old| after.locations.iter().all(|new| new.url != old.url));
    let stopped = before.status == Status::Active && after.status != Status::Active;
    let changed_hands = before.owner != after.owner && !open(after);
    reach(after) < reach(before) || lost_member || lost_bytes || stopped || changed_hands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::image;

    fn of(project: &str) -> Context {
        Context { project: Some(project.to_owned()), ..Context::default() }
    }

    #[test]
    fn sight_follows_the_table_of_the_image_model() {
        let check = |visibility: Visibility, expected: [bool; 4]| {
            let mut image = image();
            image.owner = Some("own".into());
            image.members = vec!["mem".into()];
            image.visibility = visibility;
            let callers = [of("own"), of("mem"), of("foreign"), Context::default()];
            let found = callers.map(|caller| is_visible(&caller, &image));
            assert_eq!(found, expected, "{visibility}");
            assert!(is_visible(&Context::unauthenticated(), &image));
            image.owner = None;
            assert!(is_visible(&of("foreign"), &image), "nobody's image");
        };
        check(Visibility::Private, [true, false, false, false]);
        check(Visibility::Shared, [true, true, false, false]);
        check(Visibility::Community, [true, true, true, true]);
        check(Visibility::Public, [true, true, true, true]);
    }

    #[test]
    fn changes_are_the_owners_and_administrators() {
        let check = |caller: &Context, owner: Option<&str>, expected: bool| {
            let mut image = image();
            image.owner = owner.map(str::to_owned);
            assert_eq!(is_mutable(caller, &image), expected, "{caller:?} {owner:?}");
        };
        check(&of("own"), Some("own"), true);
        check(&of("foreign"), Some("own"), false);
        check(&of("own"), None, false);
        check(&Context::default(), None, false);
        check(&Context::unauthenticated(), None, true);
    }

    #[test]
    fn deleted_images_exist_for_nobody() {
        let mut image = image();
        image.status = Status::Deleted;
        assert!(!is_visible(&Context::unauthenticated(), &image));
    }

    #[test]
    fn locations_of_deactivated_images_are_for_administrators() {
        let mut image = image();
        let location = ImageLocation { url: "http://a/b".into(), metadata: "{}".into() };
        image.locations = vec![location];
        for (status, seen) in [(Status::Active, 1), (Status::Deactivated, 0)] {
            image.status = status;
            assert_eq!(shown_locations(&of("own"), &image).len(), seen, "{status}");
            assert_eq!(shown_locations(&Context::unauthenticated(), &image).len(), 1);
        }
    }

    #[test]
    fn every_loss_of_sight_is_a_restriction() {
        // The naive model: try every caller on both images.
        let owners = [Some("a"), Some("b"), None];
        let members: [&[&str]; 3] = [&[], &["b"], &["b", "c"]];
        let mut images = Vec::new();
        for visibility in Visibility::ALL {
            for owner in owners {
                for members in members {
                    let mut image = image();
                    image.visibility = visibility;
                    image.owner = owner.map(str::to_owned);
                    image.members = members.iter().map(|member| (*member).to_owned()).collect();
                    images.push(image);
                }
            }
        }
        let callers = [of("a"), of("b"), of("c"), of("d"), Context::default()];
        for before in &images {
            for after in &images {
                let lost = callers
                    .iter()
                    .any(|caller| is_visible(caller, before) && !is_visible(caller, after));
                assert!(!lost || restricts(before, after), "{before:?} to {after:?}");
            }
        }
        assert!(!restricts(&images[0], &images[0]), "no change takes nothing away");
    }
}
