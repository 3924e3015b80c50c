//! How values stand in columns: exactly as SQLAlchemy writes them, so that Glance reads our rows
//! and we read its.
//!
//! On SQLite times are text `YYYY-MM-DD HH:MM:SS.ffffff` in UTC
//! (`sqlalchemy/dialects/sqlite/base.py`, `DATETIME`), always with six digits of fraction: comparing
//! the text compares the time. PostgreSQL and MariaDB have a type for them; MariaDB's keeps whole
//! seconds. Numbers of 64 bits without a sign go through the signed type bit by bit where they are
//! names (sessions, incarnations), and by value where they are counted (changes).

use crate::pool::Row;
use glint_image::{ImageId, NodeId};
use sea_query::Value;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use crate::error::DatabaseError;

/// The time now in UTC, in the microseconds the database keeps: what callers pass as `now`.
#[must_use]
pub fn utc_now() -> PrimitiveDateTime {
    let now = OffsetDateTime::now_utc();
    let time = now.time();
    let time = time.replace_microsecond(time.microsecond()).expect("a clock's microsecond is one");
    PrimitiveDateTime::new(now.date(), time)
}

/// The text of a time, as SQLite keeps it.
pub(crate) fn stamp_text(at: PrimitiveDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.microsecond()
    )
}

/// A time as a statement's value.
pub(crate) fn stamp(at: PrimitiveDateTime) -> Value {
    Value::from(at)
}

/// Reads the text of a time; a fraction may be missing or shorter, as SQLAlchemy allows.
pub(crate) fn parse_stamp(text: &str) -> Option<PrimitiveDateTime> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let mut date = date.splitn(3, '-');
    let year = date.next()?.parse().ok()?;
    let month = Month::try_from(date.next()?.parse::<u8>().ok()?).ok()?;
    let day = date.next()?.parse().ok()?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut clock = clock.splitn(3, ':');
    let hour = clock.next()?.parse().ok()?;
    let minute = clock.next()?.parse().ok()?;
    let second = clock.next()?.parse().ok()?;
    if fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micro = format!("{fraction:0<6}").parse().ok()?;
    let date = Date::from_calendar_date(year, month, day).ok()?;
    let time = Time::from_hms_micro(hour, minute, second, micro).ok()?;
    Some(PrimitiveDateTime::new(date, time))
}

/// A counted number (a change, an epoch, a size) as the database keeps it.
pub(crate) fn counted(number: u64) -> i64 {
    i64::try_from(number).expect("a counter that starts at 1 does not reach 2^63")
}

// Reading columns. Each names the column in its error, so that an operator finds the damaged row.

pub(crate) fn text(row: &Row, column: &str) -> Result<String, DatabaseError> {
    text_or_null(row, column)?.ok_or_else(|| nothing(column))
}

pub(crate) fn text_or_null(row: &Row, column: &str) -> Result<Option<String>, DatabaseError> {
    row.text(column)
}

pub(crate) fn int(row: &Row, column: &str) -> Result<i64, DatabaseError> {
    int_or_null(row, column)?.ok_or_else(|| nothing(column))
}

/// A number of any width, also a sum.
pub(crate) fn int_or_null(row: &Row, column: &str) -> Result<Option<i64>, DatabaseError> {
    row.number(column)
}

pub(crate) fn int32(row: &Row, column: &str) -> Result<i32, DatabaseError> {
    let value = int(row, column)?;
    i32::try_from(value).map_err(|_| damaged(column, value))
}

pub(crate) fn flag(row: &Row, column: &str) -> Result<bool, DatabaseError> {
    Ok(int(row, column)? != 0)
}

pub(crate) fn count(row: &Row, column: &str) -> Result<u64, DatabaseError> {
    let value = int(row, column)?;
    u64::try_from(value).map_err(|_| damaged(column, value))
}

pub(crate) fn count_or_zero(row: &Row, column: &str) -> Result<u64, DatabaseError> {
    let value = int_or_null(row, column)?.unwrap_or(0);
    u64::try_from(value).map_err(|_| damaged(column, value))
}

pub(crate) fn time(row: &Row, column: &str) -> Result<PrimitiveDateTime, DatabaseError> {
    time_or_null(row, column)?.ok_or_else(|| nothing(column))
}

pub(crate) fn time_or_null(
    row: &Row,
    column: &str,
) -> Result<Option<PrimitiveDateTime>, DatabaseError> {
    row.time(column)
}

pub(crate) fn image_id(row: &Row, column: &str) -> Result<ImageId, DatabaseError> {
    let value = text(row, column)?;
    ImageId::parse(&value).map_err(|_| damaged(column, &value))
}

pub(crate) fn node_id(row: &Row, column: &str) -> Result<NodeId, DatabaseError> {
    let value = text(row, column)?;
    NodeId::parse(&value).ok_or_else(|| damaged(column, &value))
}

/// The error for a column that holds what neither Glance nor this service writes.
pub(crate) fn damaged(column: &str, value: impl std::fmt::Debug) -> DatabaseError {
    DatabaseError::Damaged(format!("column {column} holds {value:?}"))
}

/// The error for a column that holds nothing and never should.
fn nothing(column: &str) -> DatabaseError {
    DatabaseError::Damaged(format!("column {column} holds nothing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_sqlalchemy_writes_them_and_read_leniently() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(parse_stamp(text).map(stamp_text).as_deref(), expected, "{text}");
        };
        check("2026-11-21 08:44:31.881440", Some("2026-11-21 08:44:31.881440"));
        check("2026-11-21 08:44:31.000001", Some("2026-11-21 08:44:31.000001"));
        check("2026-11-21 08:44:31", Some("2026-11-21 08:44:31.000000"));
        check("2026-11-21 08:44:31.5", Some("2026-11-21 08:44:31.500000"));
        check("2026-02-30 08:44:31", None);
        check("2026-11-21 08:44:31.1234567", None);
        check("2026-11-21 08:44:31.12x", None);
        check("yesterday", None);
    }

    #[test]
    fn now_has_nothing_the_database_would_drop() {
        let now = utc_now();
        assert_eq!(parse_stamp(&stamp_text(now)), Some(now));
    }
}
