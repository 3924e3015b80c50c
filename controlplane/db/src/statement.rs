//! Statements and their values, as each database wants them.
//!
//! Statements are written once, with sea-query; here they become text in a database's dialect and
//! the values that travel beside it. Which statements there are is left to the other modules.
//! Invariant: no value is ever part of a statement's text.

use sea_query::{
    DeleteStatement, InsertStatement, MysqlQueryBuilder, OnConflict, PostgresQueryBuilder,
    SelectStatement, SqliteQueryBuilder, UpdateStatement, Value,
};
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::mysql::MySqlArguments;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Postgres, Type};
use time::PrimitiveDateTime;

use crate::text;

/// Which database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MariaDB or MySQL.
    MySql,
}

/// A statement ready to be sent.
pub(crate) struct Prepared {
    pub(crate) text: String,
    values: Vec<Value>,
}

/// A statement and its parameters. The text comes from sea-query over names of this crate; values
/// travel beside it.
pub(crate) trait Statement {
    /// Text and parameters in a dialect.
    fn prepared(&self, dialect: Dialect) -> Prepared;
}

macro_rules! statement {
    ($($name:ty),+) => {$(
        impl Statement for $name {
            fn prepared(&self, dialect: Dialect) -> Prepared {
                let (text, values) = match dialect {
                    Dialect::Sqlite => self.build(SqliteQueryBuilder),
                    Dialect::Postgres => self.build(PostgresQueryBuilder),
                    Dialect::MySql => self.build(MysqlQueryBuilder),
                };
                Prepared { text, values: values.0 }
            }
        }
    )+};
}
statement!(SelectStatement, InsertStatement, UpdateStatement, DeleteStatement);

/// An insertion that leaves out rows whose key is taken. MySQL has no such statement that does not
/// also swallow bad values (`INSERT IGNORE`): there the insertion is a plain one, and the caller
/// takes the violation of a unique key for an answer.
pub(crate) struct NewRows<'a>(pub(crate) &'a InsertStatement);

impl Statement for NewRows<'_> {
    fn prepared(&self, dialect: Dialect) -> Prepared {
        if dialect == Dialect::MySql {
            return self.0.prepared(dialect);
        }
        let mut insert = self.0.clone();
        insert.on_conflict(OnConflict::new().do_nothing().to_owned());
        insert.prepared(dialect)
    }
}

/// A value in the few types this crate knows.
enum Plain {
    Flag(Option<bool>),
    Short(Option<i32>),
    Number(Option<i64>),
    Text(Option<String>),
    Time(Option<PrimitiveDateTime>),
}

impl From<Value> for Plain {
    fn from(value: Value) -> Self {
        match value {
            Value::Bool(flag) => Self::Flag(flag),
            Value::TinyInt(number) => Self::Short(number.map(i32::from)),
            Value::SmallInt(number) => Self::Short(number.map(i32::from)),
            Value::Int(number) => Self::Short(number),
            Value::BigInt(number) => Self::Number(number),
            Value::TinyUnsigned(number) => Self::Number(number.map(i64::from)),
            Value::SmallUnsigned(number) => Self::Number(number.map(i64::from)),
            Value::Unsigned(number) => Self::Number(number.map(i64::from)),
            Value::BigUnsigned(number) => Self::Number(number.map(text::counted)),
            Value::String(text) => Self::Text(text),
            Value::Char(letter) => Self::Text(letter.map(String::from)),
            Value::TimeDateTime(at) => Self::Time(at),
            other => unreachable!("no statement of this crate holds {other:?}"),
        }
    }
}

/// Text whose type PostgreSQL finds out from what it is compared with or stored in: also an
/// enumeration's value is written as text (`images.visibility`).
struct Untyped(Option<String>);

impl Type<Postgres> for Untyped {
    fn type_info() -> PgTypeInfo {
        /// `unknown` (`pg_type.dat`), which the parser takes for a type not given.
        const UNKNOWN: Oid = Oid(705);
        PgTypeInfo::with_oid(UNKNOWN)
    }
}

impl Encode<'_, Postgres> for Untyped {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match &self.0 {
            Some(text) => <&str as Encode<'_, Postgres>>::encode(text.as_str(), buffer),
            None => Ok(IsNull::Yes),
        }
    }
}

// === impl Prepared ===

impl Prepared {
    /// The values for SQLite, times as SQLAlchemy writes them.
    pub(crate) fn for_sqlite(self) -> (String, SqliteArguments) {
        let mut arguments = SqliteArguments::default();
        for value in self.values {
            let added = match Plain::from(value) {
                Plain::Flag(flag) => arguments.add(flag),
                Plain::Short(number) => arguments.add(number),
                Plain::Number(number) => arguments.add(number),
                Plain::Text(text) => arguments.add(text),
                Plain::Time(at) => arguments.add(at.map(text::stamp_text)),
            };
            added.expect(ENCODED);
        }
        (self.text, arguments)
    }

    /// The values for PostgreSQL.
    pub(crate) fn for_postgres(self) -> (String, PgArguments) {
        let mut arguments = PgArguments::default();
        for value in self.values {
            let added = match Plain::from(value) {
                Plain::Flag(flag) => arguments.add(flag),
                Plain::Short(number) => arguments.add(number),
                Plain::Number(number) => arguments.add(number),
                Plain::Text(text) => arguments.add(Untyped(text)),
                Plain::Time(at) => arguments.add(at),
            };
            added.expect(ENCODED);
        }
        (self.text, arguments)
    }

    /// The values for MariaDB and MySQL, which drop the fraction of a time where it is stored.
    pub(crate) fn for_mysql(self) -> (String, MySqlArguments) {
        let mut arguments = MySqlArguments::default();
        for value in self.values {
            let added = match Plain::from(value) {
                Plain::Flag(flag) => arguments.add(flag),
                Plain::Short(number) => arguments.add(number),
                Plain::Number(number) => arguments.add(number),
                Plain::Text(text) => arguments.add(text),
                Plain::Time(at) => arguments.add(at),
            };
            added.expect(ENCODED);
        }
        (self.text, arguments)
    }
}

/// Why adding an argument cannot fail.
const ENCODED: &str = "flags, numbers, texts and times of four-digit years can be sent";

#[cfg(test)]
mod tests {
    use super::*;
    use sea_query::Query;

    #[test]
    fn a_row_whose_key_is_taken_is_left_out() {
        let insert =
            Query::insert().into_table("t").columns(["a"]).values_panic(["x".into()]).to_owned();
        let check = |dialect: Dialect, expected: &str| {
            let text = NewRows(&insert).prepared(dialect).text.replace("  ", " ");
            assert_eq!(text, expected);
        };
        let nothing = "INSERT INTO \"t\" (\"a\") VALUES (?) ON CONFLICT DO NOTHING";
        check(Dialect::Sqlite, nothing);
        check(Dialect::Postgres, &nothing.replace('?', "$1"));
        check(Dialect::MySql, "INSERT INTO `t` (`a`) VALUES (?)");
    }
}
