//! What policy lets a caller do, by the names of Glance's checks (`glance/api/v2/policy.py`).
//!
//! A handler takes the [`Policy`] in force once, at its beginning, and asks it for the checks of
//! its subject: `policy.image(&caller, &image).modify_image()?`. Sight comes first: what
//! `access::is_visible` hides is 404 before any policy is asked. Leaves status codes to the API.
//! Invariants: a caller who may not read an image or a namespace learns from no refusal that it
//! exists; one request is decided by one set of rules.

mod metadefs;
mod target;
#[cfg(test)]
mod tests;

use glint_image::Visibility;
use glint_policy::glance::{Rules, Sources};
use glint_policy::{Attributes, Extract, FileError, Finding};

use crate::context::Context;
use crate::image::Image;
pub use metadefs::MetadefPolicy;
pub use target::ImageTarget;
pub(crate) use target::member;
use target::{CallerTarget, Nothing, OwnTarget, ProposedTarget};

/// The policy does not let the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefused {
    /// The caller may not even know of it.
    #[error("The resource could not be found.")]
    Hidden,
    /// The caller may know of it and may not do this.
    #[error("You are not authorized to complete {0} action.")]
    NotAuthorized(String),
    /// The caller may not create images of this owner.
    #[error("You are not permitted to create images owned by '{0}'")]
    ForeignOwner(String),
    /// The same where `enforce_new_defaults` is off and the policy had nothing against it.
    #[error("You are not permitted to create images owned by '{0}'.")]
    LegacyForeignOwner(String),
    /// The image is another's, where `enforce_new_defaults` is off.
    #[error("You do not own this image")]
    NotOwner,
}

/// The rules in force.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Rules,
    sources: Sources,
    version: u64,
}

/// Checks about an image that exists (`ImageAPIPolicy` of an image).
#[derive(Clone, Copy, Debug)]
pub struct ImagePolicy<'a> {
    policy: &'a Policy,
    caller: &'a Context,
    target: ImageTarget<'a>,
}

/// Checks about an image that is to be (`ImageAPIPolicy` of a dict).
#[derive(Clone, Copy, Debug)]
pub struct NewImagePolicy<'a> {
    policy: &'a Policy,
    caller: &'a Context,
    target: ProposedTarget<'a>,
}

/// Checks about the members of an image (`MemberAPIPolicy`): each asks `get_image` first.
#[derive(Clone, Copy, Debug)]
pub struct MemberPolicy<'a>(ImagePolicy<'a>);

// === impl Policy ===

impl Policy {
    /// Compiles the rules, and says what an operator should know of them. `version` grows with
    /// every change of them.
    ///
    /// # Errors
    /// [`FileError`] of a text that is no policy file.
    pub fn new(sources: Sources, version: u64) -> Result<(Self, Vec<Finding>), FileError> {
        let (rules, findings) = Rules::compile(&sources)?;
        Ok((Self { rules, sources, version }, findings))
    }

    /// Glance's defaults, without files.
    #[must_use]
    pub fn defaults() -> Self {
        Self::new(Sources::default(), 0).expect("the defaults have no file to be wrong").0
    }

    /// The rules that decide on downloads, with all that they refer to.
    #[must_use]
    pub fn of_downloads(&self) -> Extract {
        self.rules.extract(&["download_image", "get_image"])
    }

    /// What the rules were made of, to make them elsewhere.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// How many times the rules changed since the process started.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether `context_is_admin` holds. The target is the caller too
    /// (`glance/api/policy.py`, `Enforcer.check_is_admin`).
    #[must_use]
    pub fn is_admin(&self, caller: &Context) -> bool {
        self.rules.accepts("context_is_admin", &CallerTarget(caller), caller)
    }

    /// The checks of an image that exists and that the caller sees.
    #[must_use]
    pub fn image<'a>(&'a self, caller: &'a Context, image: &'a Image) -> ImagePolicy<'a> {
        self.target(caller, ImageTarget::of(caller, image))
    }

    /// The checks of an image that is being changed in memory.
    #[must_use]
    pub fn target<'a>(&'a self, caller: &'a Context, target: ImageTarget<'a>) -> ImagePolicy<'a> {
        ImagePolicy { policy: self, caller, target }
    }

    /// The checks of an image that is to be created. `owner` is what the body says, if it says
    /// anything, or else the caller's project; `visibility` is what the body says.
    #[must_use]
    pub fn new_image<'a>(
        &'a self,
        caller: &'a Context,
        owner: Option<&'a str>,
        visibility: Option<Visibility>,
    ) -> NewImagePolicy<'a> {
        // Glance asks about a private image where the body says nothing, whatever the image will be.
        let visibility = visibility.unwrap_or(Visibility::Private);
        NewImagePolicy { policy: self, caller, target: ProposedTarget { owner, visibility } }
    }

    /// The checks of an image's members.
    #[must_use]
    pub fn members<'a>(&'a self, caller: &'a Context, image: &'a Image) -> MemberPolicy<'a> {
        MemberPolicy(self.image(caller, image))
    }

    /// `get_images`: whether the caller may list at all. Each image of the page is then asked
    /// [`ImagePolicy::sees`].
    ///
    /// # Errors
    /// [`PolicyRefused::NotAuthorized`].
    pub fn get_images(&self, caller: &Context) -> Result<(), PolicyRefused> {
        self.enforce("get_images", &OwnTarget(caller), caller)
    }

    /// `tasks_api_access` (`TasksAPIPolicy`), asked before a task's body is read.
    ///
    /// # Errors
    /// [`PolicyRefused::NotAuthorized`].
    pub fn tasks_api_access(&self, caller: &Context) -> Result<(), PolicyRefused> {
        self.enforce("tasks_api_access", &Nothing, caller)
    }

    /// `stores_info_detail` (`DiscoveryAPIPolicy`).
    ///
    /// # Errors
    /// [`PolicyRefused::NotAuthorized`].
    pub fn stores_info_detail(&self, caller: &Context) -> Result<(), PolicyRefused> {
        self.enforce("stores_info_detail", &Nothing, caller)
    }

    /// A policy of the image cache by its name, about one image or about none
    /// (`CacheImageAPIPolicy`): `cache_image`, `cache_list`, `cache_delete`, `cache_clean`,
    /// `cache_prune`, `list_cached_nodes`, and `manage_image_cache` of the older paths.
    ///
    /// # Errors
    /// [`PolicyRefused::NotAuthorized`].
    pub fn cache(
        &self,
        caller: &Context,
        policy: &str,
        image: Option<&Image>,
    ) -> Result<(), PolicyRefused> {
        match image {
            Some(image) => self.enforce(policy, &ImageTarget::of(caller, image), caller),
            None => self.enforce(policy, &Nothing, caller),
        }
    }

    /// Whether a rule of a property protection file in the `policies` format accepts
    /// (`glance/common/property_utils.py`, `PropertyRules.check_property_rules`).
    #[must_use]
    pub fn accepts_property_rule(&self, caller: &Context, rule: &str) -> bool {
        self.rules.accepts(rule, &Nothing, caller)
    }

    fn enforce(
        &self,
        policy: &str,
        target: &dyn Attributes,
        caller: &Context,
    ) -> Result<(), PolicyRefused> {
        if self.rules.accepts(policy, target, caller) {
            return Ok(());
        }
        Err(PolicyRefused::NotAuthorized(policy.to_owned()))
    }

    fn enforces_new_defaults(&self) -> bool {
        self.rules.enforces_new_defaults()
    }
}

/// Defines a check that is one policy of the same name.
macro_rules! checks {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $($(#[$doc])*
        ///
        /// # Errors
        /// [`PolicyRefused`].
        pub fn $name(&self) -> Result<(), PolicyRefused> {
            self.enforce(stringify!($name))
        })*
    };
}

// === impl ImagePolicy ===

impl ImagePolicy<'_> {
    /// Asks a policy about the image. Who is refused and may not read it either gets
    /// [`PolicyRefused::Hidden`].
    ///
    /// # Errors
    /// [`PolicyRefused`].
    pub fn enforce(&self, policy: &str) -> Result<(), PolicyRefused> {
        let refused = self.policy.enforce(policy, &self.target, self.caller);
        if refused.is_err() && (policy == "get_image" || !self.sees()) {
            return Err(PolicyRefused::Hidden);
        }
        refused
    }

    /// Whether `get_image` accepts: for rows of lists.
    #[must_use]
    pub fn sees(&self) -> bool {
        self.policy.rules.accepts("get_image", &self.target, self.caller)
    }

    checks! {
        /// Reading the image's record.
        get_image,
        /// Downloading its bytes.
        download_image,
        /// Downloading its bytes from a store of the caller's choice.
        download_from_store,
        /// Importing it into more stores.
        copy_image,
        /// Reading locations, before deleting from a store.
        get_image_location,
        /// Adding and replacing locations by patch.
        set_image_location,
        /// `POST …/locations`
        add_image_location,
        /// `GET …/locations`
        fetch_image_location,
        /// `GET /v2/cache/nodes/{image_id}`
        list_cached_nodes,
    }

    /// Changing properties and tags, staging and importing.
    ///
    /// # Errors
    /// [`PolicyRefused`].
    pub fn modify_image(&self) -> Result<(), PolicyRefused> {
        self.enforce_with_owner("modify_image")
    }

    /// Uploading bytes.
    ///
    /// # Errors
    /// [`PolicyRefused`].
    pub fn upload_image(&self) -> Result<(), PolicyRefused> {
        self.enforce_with_owner("upload_image")
    }

    /// Deleting the image.
    ///
    /// # Errors
    /// [`PolicyRefused`].
    pub fn delete_image(&self) -> Result<(), PolicyRefused> {
        self.enforce_with_owner("delete_image")
    }

    /// Removing locations by patch, and from a store.
    ///
    /// # Errors
    /// [`PolicyRefused`].
    pub fn delete_image_location(&self) -> Result<(), PolicyRefused> {
        self.enforce_with_owner("delete_image_location")
    }

    /// `POST …/actions/deactivate`
    ///
    /// # Errors
    /// [`PolicyRefused`].
    pub fn deactivate(&self) -> Result<(), PolicyRefused> {
        self.enforce_with_owner("deactivate")
    }

    /// `POST …/actions/reactivate`
    ///
    /// # Errors
    /// [`PolicyRefused`].
    pub fn reactivate(&self) -> Result<(), PolicyRefused> {
        self.enforce_with_owner("reactivate")
    }

    /// Changing one attribute or property by patch; `visibility` is the new one, if that is what
    /// changes.
    ///
    /// # Errors
    /// [`PolicyRefused`].
    pub fn update_property(&self, visibility: Option<Visibility>) -> Result<(), PolicyRefused> {
        if let Some(policy) = visibility.and_then(policy_of) {
            // Not through `Self::enforce`: a refusal here hides nothing (`_enforce_visibility`).
            self.policy.enforce(policy, &self.target, self.caller)?;
        }
        self.modify_image()
    }

    /// The policy, and what Glance checked before policies knew roles
    /// (`check_is_image_mutable`).
    fn enforce_with_owner(&self, policy: &str) -> Result<(), PolicyRefused> {
        self.enforce(policy)?;
        if self.policy.enforces_new_defaults() || self.caller.is_admin {
            return Ok(());
        }
        let owner = self.target.owner();
        if owner.is_none() || owner != self.caller.project.as_deref() {
            return Err(PolicyRefused::NotOwner);
        }
        Ok(())
    }
}

// === impl NewImagePolicy ===

impl NewImagePolicy<'_> {
    /// Creating the image: `add_image`, then the policy of its visibility.
    ///
    /// # Errors
    /// [`PolicyRefused`], never [`PolicyRefused::Hidden`].
    pub fn add_image(&self) -> Result<(), PolicyRefused> {
        let foreign = self.target.owner != self.caller.project.as_deref();
        let owner = || self.target.owner.unwrap_or("None").to_owned();
        self.enforce("add_image").map_err(|refused| {
            if foreign { PolicyRefused::ForeignOwner(owner()) } else { refused }
        })?;
        if let Some(policy) = policy_of(self.target.visibility) {
            self.enforce(policy)?;
        }
        if foreign && !self.policy.enforces_new_defaults() && !self.caller.is_admin {
            return Err(PolicyRefused::LegacyForeignOwner(owner()));
        }
        Ok(())
    }

    fn enforce(&self, policy: &str) -> Result<(), PolicyRefused> {
        self.policy.enforce(policy, &self.target, self.caller)
    }
}

// === impl MemberPolicy ===

impl MemberPolicy<'_> {
    fn enforce(&self, policy: &str) -> Result<(), PolicyRefused> {
        self.0.get_image()?;
        self.0.policy.enforce(policy, &self.0.target, self.0.caller)
    }

    /// What Glance checked before policies knew roles, where `enforce_new_defaults` is off: members
    /// are added by the owner (`_check_visibility_and_ownership`).
    ///
    /// # Errors
    /// [`PolicyRefused::NotOwner`].
    pub fn owner_check_add(&self) -> Result<(), PolicyRefused> {
        self.owner_check(self.0.target.owner().is_some() && self.is_owner())
    }

    /// The same: the status is set by others than the owner.
    ///
    /// # Errors
    /// [`PolicyRefused::NotOwner`].
    pub fn owner_check_modify(&self) -> Result<(), PolicyRefused> {
        self.owner_check(!self.is_owner())
    }

    /// The same: members are removed by the owner.
    ///
    /// # Errors
    /// [`PolicyRefused::NotOwner`].
    pub fn owner_check_delete(&self) -> Result<(), PolicyRefused> {
        self.owner_check(self.is_owner())
    }

    fn is_owner(&self) -> bool {
        self.0.target.owner() == self.0.caller.project.as_deref()
    }

    fn owner_check(&self, passes: bool) -> Result<(), PolicyRefused> {
        let ImagePolicy { policy, caller, .. } = self.0;
        if passes || caller.is_admin || policy.enforces_new_defaults() {
            return Ok(());
        }
        Err(PolicyRefused::NotOwner)
    }

    checks! {
        /// Listing members.
        get_members,
        /// Reading one; for a list each row is asked.
        get_member,
        /// Adding one.
        add_member,
        /// Accepting or rejecting.
        modify_member,
        /// Removing one.
        delete_member,
    }
}

/// The policy of making an image this visible (`_enforce_image_visibility`).
fn policy_of(visibility: Visibility) -> Option<&'static str> {
    match visibility {
        Visibility::Public => Some("publicize_image"),
        Visibility::Community => Some("communitize_image"),
        Visibility::Shared | Visibility::Private => None,
    }
}
