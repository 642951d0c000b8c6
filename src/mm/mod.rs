//! Builds translation tables, as data in memory that EL2 provides.

pub mod tables;
pub mod window;
