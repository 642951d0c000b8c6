//! What a guest comes to EL2 for.

pub mod inject;
pub mod irq;
pub mod mmio;
pub mod panic;
pub mod smccc;
pub mod sync;
pub mod vectors;
