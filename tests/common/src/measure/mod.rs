//! The benchmark: its runs, its figures, and how they are compared and shown.

pub mod column;
pub mod figures;
pub mod firmware;
pub mod guest;
pub mod linux;
pub mod machine;
pub mod parallel;
pub mod plot;
pub mod row;
pub mod stays;
pub mod table;

/// The percentage by which a figure may grow.
pub const LIMIT: u64 = 5;
