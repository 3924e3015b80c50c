//! Who may see an image, as the `images.visibility` column spells it.

use std::fmt;

/// An image's visibility.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Visibility {
    /// Its owner only.
    Private,
    /// Everybody.
    Public,
    /// Its owner and its members.
    Shared,
    /// Everybody who knows its id; listed only on request.
    Community,
}

impl Visibility {
    /// Every visibility, in the order Glance's schema lists them.
    pub const ALL: [Self; 4] = [Self::Community, Self::Public, Self::Private, Self::Shared];

    /// The text of the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Shared => "shared",
            Self::Community => "community",
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|visibility| visibility.as_str() == text)
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
