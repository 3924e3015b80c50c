//! Paste files: which filters a request passes, by deployment flavor (`glance-api-paste.ini`).
//!
//! Reads what PasteDeploy would load: sections, `use`, `set`, `get`, `filter-with`, pipelines, url
//! maps, and Glance's own composite that picks a pipeline by flavor
//! (`glance/api/__init__.py`, `pipeline_factory`). Leaves reading the file, and what a filter does,
//! to its caller. Invariants: a filter or application that is not known here is refused by its
//! name, so nothing an operator put between clients and images is silently left out; every error
//! names the file, and the section where there is one.

mod ini;
mod known;
mod load;
mod shipped;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use ini::IniFault;
pub use known::{AppKind, FilterKind};

/// A paste file, read.
#[derive(Clone, Debug)]
pub struct PasteFile {
    name: String,
    sections: Vec<ini::Section>,
    defaults: BTreeMap<String, String>,
}

/// What a request passes on its way to the API.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Pipeline {
    /// From the outside to the inside.
    pub filters: Vec<Filter>,
    /// Applications beside the API, such as the health check, longest path first.
    pub beside: Vec<Mount>,
}

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Its section's name, e.g. `authtoken`.
    pub name: String,
    /// What it is.
    pub kind: FilterKind,
    /// Its options, those of `[DEFAULT]` included.
    pub options: BTreeMap<String, String>,
}

/// An application under a path of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The path, without a slash at its end, e.g. `/healthcheck`.
    pub path: String,
    /// What it is.
    pub app: AppKind,
    /// The filters in front of it.
    pub filters: Vec<Filter>,
    /// Its options, those of `[DEFAULT]` included.
    pub options: BTreeMap<String, String>,
}

/// Why a paste file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasteError {
    /// A line that is no ini text.
    #[error("{file}:{line}: {fault}")]
    Syntax {
        /// The file.
        file: String,
        /// The line, counted from one.
        line: usize,
        /// What is wrong there.
        fault: IniFault,
    },
    /// Something about a section.
    #[error("{file}: [{section}]: {fault}")]
    Section {
        /// The file.
        file: String,
        /// The section.
        section: String,
        /// What is wrong there.
        fault: PasteFault,
    },
}

/// What is wrong with a section.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasteFault {
    /// There is none of this name.
    #[error("there is no such section")]
    Absent,
    /// There are several of this name.
    #[error("there are several sections of this name")]
    Ambiguous,
    /// A filter or application that is not known here.
    #[error("`{0}` is not known here and cannot be left out")]
    Unknown(String),
    /// Neither `use` nor a factory.
    #[error("neither `use` nor a paste factory")]
    NoFactory,
    /// An option that has to be there.
    #[error("there is no `{0}`")]
    Missing(String),
    /// An option that may not be there.
    #[error("`{0}` has no place here")]
    Extra(String),
    /// A composite without a pipeline for the flavor.
    #[error("there is no pipeline for the flavor `{0}`")]
    NoFlavor(String),
    /// The pipeline leads to something else than the image API.
    #[error("nothing here leads to the image API")]
    NoApi,
    /// Sections that refer to one another without end, or far too many of them.
    #[error("references go round in a circle")]
    Circle,
    /// `%(name)s` without such a name, or another use of `%`.
    #[error("`{0}` cannot be filled in")]
    Substitution(String),
}

// === impl PasteFile ===

impl PasteFile {
    /// Reads the text of a file. `path` is its absolute path, and how errors call it.
    ///
    /// # Errors
    /// [`PasteError::Syntax`].
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, PasteError> {
        let (sections, mut defaults) = ini::parse(bytes)
            .map_err(|(line, fault)| PasteError::Syntax { file: path.to_owned(), line, fault })?;
        let here = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        defaults.entry("here".to_owned()).or_insert_with(|| here.to_owned());
        defaults.entry("__file__".to_owned()).or_insert_with(|| path.to_owned());
        Ok(Self { name: path.to_owned(), sections, defaults })
    }

    /// What stands in for a paste file where there is none: the flavors of the one that Glance
    /// ships.
    #[must_use]
    pub fn shipped() -> Self {
        let shipped = Self::parse("glance-api-paste.ini", shipped::SHIPPED.as_bytes());
        shipped.expect("a test reads it")
    }

    /// How errors call the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pipeline of a flavor, from the section `glance-api` or `glance-api-FLAVOR`
    /// (`glance/common/config.py`, `load_paste_app`).
    ///
    /// # Errors
    /// [`PasteError::Section`].
    pub fn pipeline(&self, flavor: Option<&str>) -> Result<Pipeline, PasteError> {
        load::pipeline(self, flavor.filter(|flavor| !flavor.is_empty()))
    }
}
