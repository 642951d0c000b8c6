//! Figures, as they are kept in files, and whether they have become worse.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use super::column::Column;
use super::row::{Kind, ROWS, Row};

/// A number for each row's and column's key.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Figures(BTreeMap<String, BTreeMap<String, u64>>);

/// A figure that is worse than it was.
#[derive(Clone, Copy, Debug)]
pub struct Worse {
    /// What was measured.
    pub row: &'static Row,
    /// Where.
    pub column: Column,
    /// What it was.
    pub was: u64,
    /// What it is.
    pub is: u64,
}

impl Figures {
    /// Those of a file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        Ok(Self(serde_json::from_str(&text)?))
    }

    /// Keeps them in a file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, serde_json::to_string_pretty(&self.0)? + "\n")
    }

    /// Adds one.
    pub fn set(&mut self, row: &str, column: Column, value: u64) {
        self.0.entry(row.into()).or_default().insert(column.key().into(), value);
    }

    /// One as it was measured.
    pub fn get(&self, row: &str, column: Column) -> Option<u64> {
        self.0.get(row)?.get(column.key()).copied()
    }

    /// What of it is EL2's: the difference from the bare machine, or all of what that has not got.
    pub fn cost(&self, row: &Row, column: Column) -> Option<u64> {
        let value = self.get(row.key, column)?;
        match row.kind {
            Kind::Own | Kind::Count => Some(value),
            _ => Some(value.saturating_sub(self.get(row.key, column.bare()?)?)),
        }
    }

    /// How many thousandths of the bare machine's it is.
    pub fn thousandths(&self, row: &Row, column: Column) -> Option<u64> {
        let bare = self.get(row.key, column.bare()?)?.max(1);
        Some((self.get(row.key, column)? * 1000 + bare / 2) / bare)
    }

    /// The number that a goal is about.
    pub fn judged(&self, row: &Row, column: Column) -> Option<u64> {
        match row.kind {
            Kind::Run => self.thousandths(row, column),
            _ => self.cost(row, column),
        }
    }

    /// The number that must not grow: a run's as a whole, otherwise EL2's part.
    fn guarded(&self, row: &Row, column: Column) -> Option<u64> {
        match row.kind {
            Kind::Run => self.get(row.key, column),
            _ => self.cost(row, column),
        }
    }

    /// What there was `before` and is not here: rows and columns, by their keys.
    pub fn lost_since(&self, before: &Self) -> Vec<(String, String)> {
        let pairs = before.0.iter().flat_map(|(row, columns)| {
            columns.keys().map(move |column| (row.clone(), column.clone()))
        });
        let is_here = |(row, column): &(String, String)| {
            self.0.get(row).is_some_and(|columns| columns.contains_key(column))
        };
        pairs.filter(|pair| !is_here(pair)).collect()
    }

    /// The figures here that are more than `percent` above those in `before`. Those of several CPUs
    /// depend on whose turn it is, and may be five times as far above.
    pub fn worse_than(&self, before: &Self, percent: u64) -> Vec<Worse> {
        let mut worse = Vec::new();
        for row in ROWS {
            let percent = if row.kind == Kind::ActOfSeveral { 5 * percent } else { percent };
            for column in Column::partitions() {
                let pair = (before.guarded(row, column), self.guarded(row, column));
                if let (Some(was), Some(is)) = pair
                    && is * 100 > was * (100 + percent)
                {
                    worse.push(Worse { row, column, was, is });
                }
            }
        }
        worse
    }
}
