//! The custom properties of an image while it is being changed.
//!
//! Keeps their order as a Python dict does: what is set again stays where it was, what is removed
//! and set again goes to the end. Invariant: every operation costs the logarithm of the number of
//! properties, however long a patch is.

use std::collections::{BTreeMap, BTreeSet};

/// Name-value pairs in order, with an index.
#[derive(Debug)]
pub(crate) struct Properties {
    /// Removed ones leave a gap.
    entries: Vec<Option<(String, String)>>,
    places: BTreeMap<String, usize>,
    original: BTreeSet<String>,
}

impl Properties {
    pub(crate) fn of(pairs: Vec<(String, String)>) -> Self {
        let places = pairs.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        let original = pairs.iter().map(|(name, _)| name.clone()).collect();
        Self { entries: pairs.into_iter().map(Some).collect(), places, original }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let place = self.places.get(name)?;
        self.entries[*place].as_ref().map(|(_, value)| value.as_str())
    }

    pub(crate) fn set(&mut self, name: &str, value: String) {
        if let Some(place) = self.places.get(name) {
            self.entries[*place] = Some((name.to_owned(), value));
        } else {
            self.places.insert(name.to_owned(), self.entries.len());
            self.entries.push(Some((name.to_owned(), value)));
        }
    }

    /// Whether there was one to remove.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let place = self.places.remove(name);
        if let Some(place) = place {
            self.entries[place] = None;
        }
        place.is_some()
    }

    /// Whether there is a name that was not there in the beginning.
    pub(crate) fn has_new(&self) -> bool {
        self.places.keys().any(|name| !self.original.contains(name))
    }

    pub(crate) fn into_vec(self) -> Vec<(String, String)> {
        self.entries.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_a_python_dict() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut properties = Properties::of(vec![pair("a", "1"), pair("b", "2"), pair("c", "3")]);
        properties.set("b", "4".into());
        assert!(properties.remove("a") && !properties.remove("a"));
        assert!(!properties.has_new());
        properties.set("a", "5".into());
        assert!(!properties.has_new());
        properties.set("d", "6".into());
        assert!(properties.has_new() && properties.contains("d"));
        let expected = vec![pair("b", "4"), pair("c", "3"), pair("a", "5"), pair("d", "6")];
        assert_eq!(properties.into_vec(), expected);
    }
}
