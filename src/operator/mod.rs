//! Between the partitions and a person: the console and the monitor.

pub mod console;
pub mod monitor;
