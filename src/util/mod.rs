//! Data structures and helpers that know nothing of the architecture.

pub mod atomic;
pub mod backtrace;
pub mod deadlines;
pub mod format;
pub mod nearest;
pub mod rate_limit;
pub mod ring;
pub mod wake;
