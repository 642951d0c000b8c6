//! Handles exits from guests.

mod fast;
mod inject;
mod mmio;
mod panic;
mod proceed;
mod smccc;
mod sync;
pub mod vectors;
