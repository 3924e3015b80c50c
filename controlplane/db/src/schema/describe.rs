//! How a table is described: once, without a dialect.
//!
//! Which tables there are is left to `glance` and `own`. A kind of column becomes a type of a
//! database in [`Kind::declared`]: the one SQLAlchemy declares there. Invariant: what is described
//! is all there is; nothing is added by hand.

use std::fmt::Write as _;

use crate::statement::Dialect;

/// What a column holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Text of at most so many characters.
    Text(u16),
    /// Text without a bound.
    LongText,
    /// A number of 32 bits.
    Int,
    /// The number of a row, of 32 bits, that the database gives.
    RowId,
    /// The number of a row, of 64 bits, that the database gives.
    RowIdWide,
    /// A number of 64 bits that SQLite calls INTEGER (`BigInteger().with_variant(Integer,
    /// 'sqlite')`).
    Wide,
    /// A number of 64 bits that SQLite calls BIGINT too.
    Big,
    /// A time.
    Time,
    /// Yes or no, checked where there is no boolean type.
    Bool,
    /// Yes or no, unchecked on SQLite: the migrations rebuilt `images` and lost its checks.
    BoolUncheckedOnSqlite,
    /// Yes or no, checked nowhere.
    BoolUnchecked,
    /// An enumeration of visibilities; text of the longest one on SQLite.
    Visibility,
}

/// What a column holds when nothing is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Preset {
    /// Nothing is preset.
    None,
    /// This text.
    Text(&'static str),
    /// This number, or no for 0.
    Number(i32),
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    name: &'static str,
    kind: Kind,
    null: bool,
    preset: Preset,
}

/// A named list of columns.
pub(crate) type Named = (&'static str, &'static [&'static str]);

/// One table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its columns, in order.
    pub(crate) columns: &'static [Column],
    /// Name of the primary key, where it has one, and its columns.
    pub(crate) primary: Named,
    /// Unique constraints.
    pub(crate) unique: &'static [Named],
    /// Foreign keys: column, table and column they refer to.
    pub(crate) foreign: &'static [(&'static str, &'static str, &'static str)],
    /// Indexes.
    pub(crate) indexes: &'static [Named],
}

/// A column that always holds something.
pub(crate) const fn must(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, null: false, preset: Preset::None }
}

/// A column that may hold nothing.
pub(crate) const fn may(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, null: true, preset: Preset::None }
}

/// A column that always holds something, with a preset.
pub(crate) const fn preset(name: &'static str, kind: Kind, preset: Preset) -> Column {
    Column { name, kind, null: false, preset }
}

impl Kind {
    /// The type as SQLAlchemy declares it.
    fn declared(self, dialect: Dialect) -> String {
        let by = |sqlite: &str, postgres: &str, mysql: &str| {
            match dialect {
                Dialect::Sqlite => sqlite,
                Dialect::Postgres => postgres,
                Dialect::MySql => mysql,
            }
            .to_owned()
        };
        match self {
            Self::Text(length) => format!("VARCHAR({length})"),
            Self::LongText => by("TEXT", "TEXT", "TEXT"),
            Self::Int => by("INTEGER", "INTEGER", "INTEGER"),
            Self::RowId => by("INTEGER", "SERIAL", "INTEGER AUTO_INCREMENT"),
            Self::RowIdWide => by("INTEGER", "BIGSERIAL", "BIGINT AUTO_INCREMENT"),
            Self::Wide => by("INTEGER", "BIGINT", "BIGINT"),
            Self::Big => by("BIGINT", "BIGINT", "BIGINT"),
            Self::Time => by("DATETIME", "TIMESTAMP WITHOUT TIME ZONE", "DATETIME"),
            Self::Bool | Self::BoolUncheckedOnSqlite | Self::BoolUnchecked => {
                by("BOOLEAN", "BOOLEAN", "BOOL")
            }
            Self::Visibility => by("VARCHAR(9)", VISIBILITY_TYPE, VISIBILITY_ENUM),
        }
    }

    /// Whether a constraint keeps a number other than 0 and 1 out.
    fn is_checked(self, dialect: Dialect) -> bool {
        match self {
            Self::Bool => dialect != Dialect::Postgres,
            Self::BoolUncheckedOnSqlite => dialect == Dialect::MySql,
            _ => false,
        }
    }

    fn is_flag(self) -> bool {
        matches!(self, Self::Bool | Self::BoolUncheckedOnSqlite | Self::BoolUnchecked)
    }
}

/// The name of PostgreSQL's type of visibilities, and its definition
/// (`glance/db/sqlalchemy/alembic_migrations/versions/ocata_expand01_add_visibility.py`).
const VISIBILITY_TYPE: &str = "image_visibility";
const VISIBILITY_ENUM: &str = "ENUM('private','public','shared','community')";

impl Table {
    /// The statements that make the table and its indexes. On MariaDB and MySQL there is one, which
    /// does nothing where the table is there: every statement of this sort is a transaction of its
    /// own there, so what was interrupted must be possible to go on with.
    pub(crate) fn definition(&self, dialect: Dialect) -> Vec<String> {
        let mut texts = Vec::new();
        let visibility = self.columns.iter().any(|column| matches!(column.kind, Kind::Visibility));
        if dialect == Dialect::Postgres && visibility {
            texts.push(format!("CREATE TYPE {VISIBILITY_TYPE} AS {VISIBILITY_ENUM}"));
        }
        let condition = if dialect == Dialect::MySql { "IF NOT EXISTS " } else { "" };
        let name = quoted(self.name, dialect);
        let mut table = format!("CREATE TABLE {condition}{name} (");
        let parts: Vec<String> = self
            .columns
            .iter()
            .map(|column| column.definition(dialect))
            .chain(self.constraints(dialect))
            .collect();
        table.push_str(&parts.join(", "));
        table.push(')');
        if dialect == Dialect::MySql {
            table.push_str(" ENGINE=InnoDB");
            // Alembic makes its own table and names no character set.
            if self.name != "alembic_version" {
                table.push_str(" DEFAULT CHARSET=utf8");
            }
        }
        texts.push(table);
        if dialect != Dialect::MySql {
            let indexes = self.indexes.iter();
            texts.extend(indexes.map(|(index, _)| self.index_definition(index, dialect)));
        }
        texts
    }

    /// The statement that makes one of its indexes.
    pub(crate) fn index_definition(&self, name: &str, dialect: Dialect) -> String {
        let found = self.indexes.iter().find(|(one, _)| *one == name);
        let (name, columns) = found.expect("an index of this table");
        let (table, columns) = (quoted(self.name, dialect), list(columns, dialect));
        format!("CREATE INDEX {} ON {table} {columns}", quoted(name, dialect))
    }

    /// The statement that drops one of its indexes.
    pub(crate) fn index_removal(&self, name: &str, dialect: Dialect) -> String {
        let name = quoted(name, dialect);
        match dialect {
            Dialect::MySql => format!("DROP INDEX {name} ON {}", quoted(self.name, dialect)),
            Dialect::Sqlite | Dialect::Postgres => format!("DROP INDEX {name}"),
        }
    }

    /// The statement that adds one of its columns to the table as it was before.
    pub(crate) fn column_addition(&self, name: &str, dialect: Dialect) -> String {
        let column = self.columns.iter().find(|column| column.name == name);
        let definition = column.expect("a column of this table").definition(dialect);
        format!("ALTER TABLE {} ADD COLUMN {definition}", quoted(self.name, dialect))
    }

    /// The statement that drops one of its columns.
    pub(crate) fn column_removal(&self, name: &str, dialect: Dialect) -> String {
        let (table, name) = (quoted(self.name, dialect), quoted(name, dialect));
        format!("ALTER TABLE {table} DROP COLUMN {name}")
    }

    fn constraints(&self, dialect: Dialect) -> Vec<String> {
        let mut parts = Vec::new();
        let (key, columns) = self.primary;
        let key = if key.is_empty() || dialect == Dialect::MySql {
            String::new()
        } else {
            format!("CONSTRAINT {} ", quoted(key, dialect))
        };
        parts.push(format!("{key}PRIMARY KEY {}", list(columns, dialect)));
        for (name, columns) in self.unique {
            let (name, columns) = (quoted(name, dialect), list(columns, dialect));
            parts.push(format!("CONSTRAINT {name} UNIQUE {columns}"));
        }
        if dialect == Dialect::MySql {
            for (name, columns) in self.indexes {
                parts.push(format!("KEY {} {}", quoted(name, dialect), list(columns, dialect)));
            }
        }
        for (column, target, target_column) in self.foreign {
            parts.push(format!(
                "FOREIGN KEY {} REFERENCES {} {}",
                list(&[column], dialect),
                quoted(target, dialect),
                list(&[target_column], dialect)
            ));
        }
        for column in self.columns.iter().filter(|column| column.kind.is_checked(dialect)) {
            parts.push(format!("CHECK ({} IN (0, 1))", quoted(column.name, dialect)));
        }
        parts
    }
}

impl Column {
    fn definition(&self, dialect: Dialect) -> String {
        let mut text = format!("{} {}", quoted(self.name, dialect), self.kind.declared(dialect));
        if !self.null {
            text.push_str(" NOT NULL");
        }
        match self.preset {
            Preset::None => Ok(()),
            Preset::Text(value) => write!(text, " DEFAULT '{value}'"),
            Preset::Number(value) if self.kind.is_flag() && dialect == Dialect::Postgres => {
                write!(text, " DEFAULT {}", value != 0)
            }
            Preset::Number(value) => write!(text, " DEFAULT {value}"),
        }
        .expect("writing to a text cannot fail");
        text
    }
}

/// The statement that drops a table, if it is there.
pub(crate) fn table_removal(name: &str, dialect: Dialect) -> String {
    format!("DROP TABLE IF EXISTS {}", quoted(name, dialect))
}

/// A name of this crate as the database quotes it.
fn quoted(name: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::MySql => format!("`{name}`"),
        Dialect::Sqlite | Dialect::Postgres => format!("\"{name}\""),
    }
}

fn list(names: &[&str], dialect: Dialect) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name, dialect)).collect();
    format!("({})", names.join(", "))
}
