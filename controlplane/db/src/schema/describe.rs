//! How a table is described: once, without a dialect.
//!
//! Which tables there are is left to `glance` and `own`. A kind of column becomes a type per
//! database in [`Kind::sqlite`]; the other databases get a function of that sort each. Invariant:
//! what is described is all there is; nothing is added by hand.

use sea_query::{
    ColumnDef, Expr, ExprTrait as _, ForeignKey, Index, SqliteQueryBuilder, Table as SeaTable,
};

/// What a column holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Text of at most so many characters.
    Text(u16),
    /// Text without a bound.
    LongText,
    /// A number of 32 bits.
    Int,
    /// A number of 64 bits that SQLite calls INTEGER (`BigInteger().with_variant(Integer,
    /// 'sqlite')`, and all row ids).
    Wide,
    /// A number of 64 bits that SQLite calls BIGINT too.
    Big,
    /// A time.
    Time,
    /// Yes or no, checked where there is no boolean type.
    Bool,
    /// Yes or no, unchecked on SQLite: the migrations rebuilt `images` and lost its checks.
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
    /// The type as SQLAlchemy declares it on SQLite.
    fn sqlite(self) -> String {
        match self {
            Self::Text(length) => format!("VARCHAR({length})"),
            Self::LongText => "TEXT".to_owned(),
            Self::Int | Self::Wide => "INTEGER".to_owned(),
            Self::Big => "BIGINT".to_owned(),
            Self::Time => "DATETIME".to_owned(),
            Self::Bool | Self::BoolUnchecked => "BOOLEAN".to_owned(),
            Self::Visibility => "VARCHAR(9)".to_owned(),
        }
    }
}

impl Table {
    /// The statements that make the table and its indexes, for SQLite.
    pub(crate) fn definition(&self) -> Vec<String> {
        let mut table = SeaTable::create().table(self.name).to_owned();
        for column in self.columns {
            table.col(column.definition());
            if matches!(column.kind, Kind::Bool) {
                table.check(Expr::col(column.name).is_in([0, 1]));
            }
        }
        let (key_name, key_columns) = self.primary;
        let mut key = Index::create().primary().to_owned();
        if !key_name.is_empty() {
            key.name(key_name);
        }
        for column in key_columns {
            key.col(*column);
        }
        table.primary_key(&mut key);
        for (name, columns) in self.unique {
            let mut unique = Index::create().unique().name(*name).to_owned();
            for column in *columns {
                unique.col(*column);
            }
            table.index(&mut unique);
        }
        for (column, target, target_column) in self.foreign {
            let mut foreign = ForeignKey::create();
            foreign.from(self.name, *column).to(*target, *target_column);
            table.foreign_key(&mut foreign);
        }
        let mut texts = vec![table.to_string(SqliteQueryBuilder)];
        texts.extend(self.indexes.iter().map(|(name, _)| self.index_definition(name)));
        texts
    }

    /// The statement that makes one of its indexes.
    pub(crate) fn index_definition(&self, name: &str) -> String {
        let found = self.indexes.iter().find(|(one, _)| *one == name);
        let (name, columns) = found.expect("an index of this table");
        let mut index = Index::create().name(*name).table(self.name).to_owned();
        for column in *columns {
            index.col(*column);
        }
        index.to_string(SqliteQueryBuilder)
    }

    /// The statement that drops one of its indexes.
    pub(crate) fn index_removal(&self, name: &str) -> String {
        Index::drop().name(name).table(self.name).to_string(SqliteQueryBuilder)
    }

    /// The statement that adds one of its columns to the table as it was before.
    pub(crate) fn column_addition(&self, name: &str) -> String {
        let column = self.columns.iter().find(|column| column.name == name);
        let mut definition = column.expect("a column of this table").definition();
        SeaTable::alter().table(self.name).add_column(&mut definition).to_string(SqliteQueryBuilder)
    }

    /// The statement that drops one of its columns.
    pub(crate) fn column_removal(&self, name: &str) -> String {
        let name = sea_query::Alias::new(name);
        SeaTable::alter().table(self.name).drop_column(name).to_string(SqliteQueryBuilder)
    }
}

impl Column {
    fn definition(&self) -> ColumnDef {
        let mut column = ColumnDef::new(self.name);
        column.custom(sea_query::Alias::new(self.kind.sqlite()));
        if !self.null {
            column.not_null();
        }
        match self.preset {
            Preset::None => {}
            Preset::Text(value) => {
                column.default(value);
            }
            Preset::Number(value) => {
                column.default(value);
            }
        }
        column
    }
}
