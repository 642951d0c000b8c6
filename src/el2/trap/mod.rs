//! Handles exceptions: exits from guests, and panics of Bulkhead itself.

mod inject;
mod mmio;
mod panic;
mod smccc;
mod sync;
pub mod vectors;
