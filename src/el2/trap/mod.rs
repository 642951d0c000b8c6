//! Handles exits from guests.

mod inject;
mod mmio;
mod panic;
mod smccc;
mod sync;
pub mod vectors;
