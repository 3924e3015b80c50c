//! The chain of Glance's Alembic revisions, and where on it a database stands.
//!
//! Says which revisions there are, how they follow each other and what `alembic_version` holds at
//! each place; running them is left to the parent module. After a trunk of three the chain has two
//! branches of equal length: `contract` number n comes after `contract` number n - 1 and depends on
//! `expand` number n (`glance/db/sqlalchemy/alembic_migrations/versions`). Invariant: a [`Stage`]
//! never has more contracted than expanded, so every stage has one spelling as heads.

use super::steps::{CACHE_TABLES, Change, IMAGE_HASHES, IMAGE_HIDDEN, TASK_COLUMNS};

/// What stands before the branches, oldest first.
const TRUNK: [&str; 3] = ["liberty", "mitaka01", "mitaka02"];

/// One rung of both branches.
pub(crate) struct Rung {
    pub(crate) expand: &'static str,
    pub(crate) contract: &'static str,
    /// What the revision of the expand branch adds.
    pub(crate) adds: Change,
}

const fn rung(expand: &'static str, contract: &'static str, adds: Change) -> Rung {
    Rung { expand, contract, adds }
}

/// The branches, oldest first. Ocata's revisions replaced `is_public` by `visibility`; Pike's
/// contraction drops the tables of artifacts.
pub(crate) const RUNGS: [Rung; 13] = [
    rung("ocata_expand01", "ocata_contract01", Change::Nothing),
    rung("pike_expand01", "pike_contract01", Change::Nothing),
    rung("queens_expand01", "queens_contract01", Change::Nothing),
    rung("rocky_expand01", "rocky_contract01", IMAGE_HIDDEN),
    rung("rocky_expand02", "rocky_contract02", IMAGE_HASHES),
    rung("train_expand01", "train_contract01", Change::Nothing),
    rung("ussuri_expand01", "ussuri_contract01", Change::Nothing),
    rung("wallaby_expand01", "wallaby_contract01", TASK_COLUMNS),
    rung("xena_expand01", "xena_contract01", Change::Nothing),
    rung("yoga_expand01", "yoga_contract01", Change::Nothing),
    rung("zed_expand01", "zed_contract01", Change::Nothing),
    rung("2023_1_expand01", "2023_1_contract01", Change::Nothing),
    rung("2024_1_expand01", "2024_1_contract01", CACHE_TABLES),
];

/// The rung whose contraction drops the tables of artifacts (`pike_contract01`).
pub(crate) const PIKE: usize = 1;

/// The rung whose data migration renames `backend` to `store` in the metadata of locations.
pub(crate) const TRAIN: usize = 5;

/// The rung that gave tasks the columns this service reads.
const WALLABY: usize = 7;

/// How far a database has come on both branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    /// How many revisions of the expand branch were run.
    pub(crate) expanded: usize,
    /// How many of the contract branch.
    pub(crate) contracted: usize,
}

/// What a set of heads says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing: the database is not under Alembic's control.
    Nowhere,
    /// A stage that this service can go on from.
    At(Stage),
    /// Before the contraction of Ocata.
    Ancient,
    /// A revision that is not on the chain.
    Unknown(String),
}

/// The text does not name one revision. The sentences are Alembic's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not on the chain, or the beginning of several.
    #[error("Can't locate revision identified by '{0}'")]
    Unknown(String),
    /// `head` where there are two.
    #[error(
        "Multiple head revisions are present for given argument 'head'; please specify a specific \
         target revision, '<branchname>@head' to narrow to a specific head, or 'heads' for all \
         heads"
    )]
    Heads,
}

/// A revision: its number on the trunk or on a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revision {
    Trunk(usize),
    Expand(usize),
    Contract(usize),
}

// === impl Stage ===

impl Stage {
    /// Where Glance 33 is.
    pub(crate) const HEAD: Self = Self { expanded: RUNGS.len(), contracted: RUNGS.len() };

    /// Whether every column that this service asks for is there.
    pub(crate) fn is_served(self) -> bool {
        self.expanded > WALLABY
    }

    /// This stage and all that leads to a revision.
    pub(crate) fn with(self, target: Revision) -> Self {
        let (expanded, contracted) = match target {
            Revision::Trunk(_) => (0, 0),
            Revision::Expand(at) => (at + 1, 0),
            Revision::Contract(at) => (at + 1, at + 1),
        };
        Self { expanded: self.expanded.max(expanded), contracted: self.contracted.max(contracted) }
    }

    /// What `alembic_version` holds at this stage: the contract head stands for the expand
    /// revisions it depends on.
    pub(crate) fn heads(self) -> Vec<&'static str> {
        let mut heads = Vec::new();
        if let Some(last) = self.contracted.checked_sub(1) {
            heads.push(RUNGS[last].contract);
        }
        if let Some(last) = self.expanded.checked_sub(1).filter(|_| self.expanded > self.contracted)
        {
            heads.push(RUNGS[last].expand);
        }
        heads.sort_unstable();
        heads
    }
}

// === impl Revision ===

impl Revision {
    pub(crate) const EXPAND_HEAD: Self = Self::Expand(RUNGS.len() - 1);
    pub(crate) const CONTRACT_HEAD: Self = Self::Contract(RUNGS.len() - 1);

    /// Finds a revision by its full name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        if let Some(at) = TRUNK.iter().position(|&one| one == name) {
            return Some(Self::Trunk(at));
        }
        RUNGS.iter().enumerate().find_map(|(at, rung)| match name {
            _ if name == rung.expand => Some(Self::Expand(at)),
            _ if name == rung.contract => Some(Self::Contract(at)),
            _ => None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trunk(at) => TRUNK[at],
            Self::Expand(at) => RUNGS[at].expand,
            Self::Contract(at) => RUNGS[at].contract,
        }
    }

    /// Whether one of the two leads to the other.
    pub(crate) fn is_in_line_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Expand(expand), Self::Contract(contract))
            | (Self::Contract(contract), Self::Expand(expand)) => expand <= contract,
            _ => true,
        }
    }

    /// Finds what a text stands for, as Alembic does (`alembic/script/revision.py`): a name, the
    /// unique beginning of one, a branch, its head, or all heads (the contract head, which depends
    /// on the other).
    pub(crate) fn find(text: &str) -> Result<Self, TargetError> {
        match text {
            "heads" | "contract@head" | "contract@heads" => return Ok(Self::CONTRACT_HEAD),
            "expand@head" | "expand@heads" => return Ok(Self::EXPAND_HEAD),
            "expand" => return Ok(Self::Expand(0)),
            "contract" | "ocata01" => return Ok(Self::Contract(0)),
            "head" => return Err(TargetError::Heads),
            _ => {}
        }
        if let Some(found) = Self::named(text) {
            return Ok(found);
        }
        let names = RUNGS.iter().flat_map(|rung| [rung.contract, rung.expand]);
        let fits: Vec<&str> =
            TRUNK.into_iter().chain(names).filter(|n| n.starts_with(text)).collect();
        match fits.as_slice() {
            [only] => Ok(Self::named(only).expect("a name of the chain")),
            _ => Err(TargetError::Unknown(text.to_owned())),
        }
    }
}

// === impl Place ===

impl Place {
    /// Reads the rows of `alembic_version`.
    pub(crate) fn of(heads: &[String]) -> Self {
        let (mut expanded, mut contracted) = (0, 0);
        for head in heads {
            match Revision::named(head) {
                Some(Revision::Trunk(_)) => {}
                Some(Revision::Expand(at)) => expanded = expanded.max(at + 1),
                Some(Revision::Contract(at)) => contracted = contracted.max(at + 1),
                None => return Self::Unknown(head.clone()),
            }
        }
        match contracted {
            _ if heads.is_empty() => Self::Nowhere,
            0 => Self::Ancient,
            _ => Self::At(Stage { expanded: expanded.max(contracted), contracted }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(heads: &[&str]) -> Place {
        Place::of(&heads.iter().map(|&head| head.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn every_stage_is_read_back_from_its_heads() {
        for expanded in 1..=RUNGS.len() {
            for contracted in 1..=expanded {
                let stage = Stage { expanded, contracted };
                assert_eq!(place(&stage.heads()), Place::At(stage));
            }
        }
        assert_eq!(Stage::HEAD.heads(), ["2024_1_contract01"]);
    }

    #[test]
    fn heads_say_where_a_database_stands() {
        let at = |expanded, contracted| Place::At(Stage { expanded, contracted });
        let check = |heads: &[&str], expected: Place| {
            assert_eq!(place(heads), expected, "{heads:?}");
        };
        check(&[], Place::Nowhere);
        check(&["mitaka02"], Place::Ancient);
        check(&["2024_1_expand01"], Place::Ancient);
        check(&["ocata_contract01"], at(1, 1));
        check(&["2023_1_contract01"], at(12, 12));
        check(&["2023_1_contract01", "2024_1_expand01"], at(13, 12));
        check(&["2031_1_contract01"], Place::Unknown("2031_1_contract01".to_owned()));
    }

    #[test]
    fn a_text_finds_what_alembic_finds() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = Revision::find(text).map(Revision::name).map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        };
        check("heads", Ok("2024_1_contract01"));
        check("expand@head", Ok("2024_1_expand01"));
        check("expand", Ok("ocata_expand01"));
        check("2023_1_contract01", Ok("2023_1_contract01"));
        check("2024_1_e", Ok("2024_1_expand01"));
        check("nonsense", Err("Can't locate revision identified by 'nonsense'"));
        check("2024", Err("Can't locate revision identified by '2024'"));
        assert_eq!(Revision::find("head"), Err(TargetError::Heads));
    }

    #[test]
    fn a_target_brings_what_it_depends_on() {
        let old = Stage { expanded: 12, contracted: 12 };
        let check = |target: &str, expanded: usize, contracted: usize| {
            let target = Revision::find(target).expect("a revision");
            assert_eq!(old.with(target), Stage { expanded, contracted });
        };
        check("heads", 13, 13);
        check("2024_1_expand01", 13, 12);
        check("mitaka01", 12, 12);
        check("rocky_contract01", 12, 12);
    }
}
