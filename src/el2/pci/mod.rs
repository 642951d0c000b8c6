//! PCI Express functions that are given to partitions: accesses to their configuration space, and
//! their resets.
//!
//! Once guests run, calls into this room are made only through [`PciFunctions`], so that it can be
//! unmapped if no partition has a function.
//!
//! [`PciFunctions`]: crate::el2::partition::PciFunctions

mod ecam;
mod functions;

pub use ecam::Ecam;
pub use functions::functions;
