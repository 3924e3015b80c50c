//! Files and functions that may be larger, and why.

/// A file or a function above its budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exception {
    pub(crate) file: &'static str,
    /// `None`: the file itself.
    pub(crate) function: Option<&'static str>,
    /// For the reader of this table.
    #[expect(dead_code, reason = "the reason is what the table is for")]
    pub(crate) reason: &'static str,
}

pub(crate) const SIZES: &[Exception] = &[];
