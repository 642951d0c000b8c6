//! What is measured, and where; what it was, and how it is told.

pub mod column;
pub mod figures;
pub mod firmware;
pub mod guest;
pub mod linux;
pub mod machine;
pub mod parallel;
pub mod plot;
pub mod row;
pub mod table;

/// How much worse a figure may be, in percent.
pub const LIMIT: u64 = 5;
