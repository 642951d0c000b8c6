//! Translation tables as data.

pub mod tables;
mod window;
