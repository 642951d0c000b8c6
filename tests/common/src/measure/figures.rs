//! The figures of a benchmark, as files keep them, and their comparison.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use super::column::Column;
use super::row::{Quantity, ROWS, Row};
use super::table;

/// Numbers by the keys of their row and column.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Figures(BTreeMap<String, BTreeMap<String, u64>>);

/// A figure that has grown.
#[derive(Clone, Copy, Debug)]
pub struct Worse {
    /// The row.
    pub row: &'static Row,
    /// The column.
    pub column: Column,
    /// The kept figure.
    pub was: u64,
    /// The new figure.
    pub is: u64,
}

impl Figures {
    /// Reads the figures of a file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        Ok(Self(serde_json::from_str(&text)?))
    }

    /// Writes the figures to a file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, serde_json::to_string_pretty(&self.0)? + "\n")
    }

    /// Sets a figure.
    pub fn set(&mut self, row: &str, column: Column, value: u64) {
        self.0.entry(row.into()).or_default().insert(column.key().into(), value);
    }

    /// Replaces the figures of the selected rows by those of another measurement.
    pub fn replace(&mut self, other: &Self, is_selected: impl Fn(&Row) -> bool) {
        for row in ROWS.iter().filter(|row| is_selected(row)) {
            for column in Column::partitions() {
                if let Some(value) = other.get(row.key, column) {
                    self.set(row.key, column, value);
                }
            }
        }
    }

    /// Returns a figure as measured.
    pub fn get(&self, row: &str, column: Column) -> Option<u64> {
        self.0.get(row)?.get(column.key()).copied()
    }

    /// Returns EL2's part of a figure: the difference from the bare machine or, where a bare
    /// machine has no such figure, all of it.
    pub fn cost(&self, row: &Row, column: Column) -> Option<u64> {
        let value = self.get(row.key, column)?;
        match row.quantity {
            Quantity::Own | Quantity::Stay | Quantity::Count => Some(value),
            _ => Some(value.saturating_sub(self.get(row.key, column.bare()?)?)),
        }
    }

    /// Returns a figure in thousandths of the bare machine's.
    pub fn thousandths(&self, row: &Row, column: Column) -> Option<u64> {
        let bare = self.get(row.key, column.bare()?)?.max(1);
        Some((self.get(row.key, column)? * 1000 + bare / 2) / bare)
    }

    /// Returns the number that a goal limits.
    pub fn judged(&self, row: &Row, column: Column) -> Option<u64> {
        match row.quantity {
            Quantity::Run => self.thousandths(row, column),
            _ => self.cost(row, column),
        }
    }

    /// Returns the number that must not grow: that of a whole run, otherwise EL2's part.
    fn guarded(&self, row: &Row, column: Column) -> Option<u64> {
        match row.quantity {
            Quantity::Run => self.get(row.key, column),
            _ => self.cost(row, column),
        }
    }

    /// Returns the keys of the rows and columns that `before` has and these figures lack.
    pub fn missing_since(&self, before: &Self) -> Vec<(String, String)> {
        let pairs = before.0.iter().flat_map(|(row, columns)| {
            columns.keys().map(move |column| (row.clone(), column.clone()))
        });
        let is_here = |(row, column): &(String, String)| {
            self.0.get(row).is_some_and(|columns| columns.contains_key(column))
        };
        pairs.filter(|pair| !is_here(pair)).collect()
    }

    /// Returns the figures that are more than `percent` above those in `before`. Those of several
    /// CPUs depend on the order in which QEMU runs the CPUs: their limit is five times as high, as
    /// is that of the longest stays in EL2, and these may grow up to their goal.
    pub fn worse_than(&self, before: &Self, percent: u64) -> Vec<Worse> {
        let mut worse = Vec::new();
        for row in ROWS {
            let varies = matches!(row.quantity, Quantity::OperationOfSeveral | Quantity::Stay);
            let percent = if varies { 5 * percent } else { percent };
            for column in Column::partitions() {
                let pair = (before.guarded(row, column), self.guarded(row, column));
                if let (Some(was), Some(is)) = pair
                    && is * 100 > was * (100 + percent)
                    && (row.quantity != Quantity::Stay || table::is_missed(self, row, column))
                {
                    worse.push(Worse { row, column, was, is });
                }
            }
        }
        worse
    }
}
