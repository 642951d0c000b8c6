//! Data structures and helpers that do not depend on the architecture or on Bulkhead.

pub mod atomic;
pub mod backtrace;
pub mod deadlines;
pub mod fair_lock;
pub mod format;
pub mod indexed;
pub mod nearest;
pub mod pieces;
pub mod published;
pub mod rate_limit;
pub mod ring;
pub mod shared_register;
pub mod uart;
pub mod wake;
pub mod work_mark;
