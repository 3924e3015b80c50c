//! One row of an answer, whichever database gave it.
//!
//! Reads a column as one of the few types this crate knows; what a value means is left to `text`.
//! Widths of numbers differ between the databases (and sums are decimals on two of them), so
//! numbers are read by what the column is. Invariant: a column of another type is an error, never
//! a guess.

use sqlx::mysql::MySqlRow;
use sqlx::postgres::{PgRow, PgTypeKind, PgValueFormat, PgValueRef};
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Row as _, Type, TypeInfo as _, ValueRef as _};
use time::PrimitiveDateTime;

use crate::error::DatabaseError;
use crate::text;

/// One row of an answer.
pub(crate) enum Row {
    /// SQLite's.
    Sqlite(SqliteRow),
    /// PostgreSQL's.
    Postgres(PgRow),
    /// MariaDB's or MySQL's.
    MySql(MySqlRow),
}

impl Row {
    /// A text, or nothing.
    pub(crate) fn text(&self, column: &str) -> Result<Option<String>, DatabaseError> {
        match self {
            Self::Sqlite(row) => Ok(row.try_get(column)?),
            Self::Postgres(row) => {
                // The values of an enumeration travel as their names.
                let kind = row.try_get_raw(column)?.type_info().kind().clone();
                match kind {
                    PgTypeKind::Enum(_) => Ok(row.try_get_unchecked(column)?),
                    _ => Ok(row.try_get(column)?),
                }
            }
            Self::MySql(row) => Ok(row.try_get(column)?),
        }
    }

    /// A number of any width, or yes and no as 1 and 0; or nothing.
    pub(crate) fn number(&self, column: &str) -> Result<Option<i64>, DatabaseError> {
        match self {
            Self::Sqlite(row) => Ok(row.try_get(column)?),
            Self::Postgres(row) => {
                let value = row.try_get_raw(column)?;
                if value.is_null() {
                    return Ok(None);
                }
                match value.type_info().name() {
                    "INT2" => widened::<i16, _>(row, column),
                    "INT4" => widened::<i32, _>(row, column),
                    "BOOL" => widened::<bool, _>(row, column),
                    "NUMERIC" => {
                        whole(&value).map(Some).ok_or_else(|| text::damaged(column, "a fraction"))
                    }
                    _ => Ok(row.try_get(column)?),
                }
            }
            Self::MySql(row) => {
                let name = row.try_get_raw(column)?.type_info().name().to_owned();
                if name != "DECIMAL" {
                    return Ok(row.try_get(column)?);
                }
                let decimal: Option<String> = row.try_get_unchecked(column)?;
                let number = decimal.as_deref().map(str::parse).transpose();
                number.map_err(|_| text::damaged(column, decimal))
            }
        }
    }

    /// A time, or nothing.
    pub(crate) fn time(&self, column: &str) -> Result<Option<PrimitiveDateTime>, DatabaseError> {
        match self {
            Self::Sqlite(_) => {
                let Some(stamp) = self.text(column)? else { return Ok(None) };
                text::parse_stamp(&stamp).map(Some).ok_or_else(|| text::damaged(column, &stamp))
            }
            Self::Postgres(row) => Ok(row.try_get(column)?),
            Self::MySql(row) => Ok(row.try_get(column)?),
        }
    }
}

/// A number of a PostgreSQL row as one of 64 bits.
fn widened<'r, T, I>(row: &'r PgRow, column: I) -> Result<Option<i64>, DatabaseError>
where
    T: Decode<'r, sqlx::Postgres> + Type<sqlx::Postgres> + Into<i64>,
    I: ColumnIndex<PgRow>,
{
    let value: T = row.try_get(column)?;
    Ok(Some(value.into()))
}

/// A NUMERIC without a fraction, which is what sums of whole numbers are: groups of four decimal
/// digits, the first one with the given weight (PostgreSQL, `numeric_send`).
fn whole(value: &PgValueRef<'_>) -> Option<i64> {
    if value.format() == PgValueFormat::Text {
        return value.as_str().ok()?.parse().ok();
    }
    let bytes = value.as_bytes().ok()?;
    let short = |at: usize| Some(i16::from_be_bytes(*bytes.get(at..at + 2)?.first_chunk()?));
    let (groups, weight, sign) = (short(0)?, short(2)?, short(4)?);
    let mut number: i64 = 0;
    // Trailing groups of zeros are not sent.
    for place in 0..=weight {
        let group = if place < groups { short(8 + 2 * usize::try_from(place).ok()?)? } else { 0 };
        number = number.checked_mul(10_000)?.checked_add(group.into())?;
    }
    match sign {
        0 if groups <= weight + 1 => Some(number),
        0x4000 if groups <= weight + 1 => Some(-number),
        _ => None,
    }
}
