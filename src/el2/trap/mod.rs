//! Handles exceptions: exits from guests, and panics of Bulkhead itself.

mod fast;
mod inject;
mod mmio;
mod panic;
mod proceed;
mod smccc;
mod sync;
mod undescribed;
pub mod vectors;
