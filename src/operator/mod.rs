//! The console and the monitor, by which a person or a script operates the partitions.

pub mod console;
pub mod monitor;
pub mod snapshot;
