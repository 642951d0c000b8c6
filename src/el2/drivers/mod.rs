//! Drivers of the machine's own devices, on frames of registers that are mapped already.

pub mod gic;
pub mod mmio;
pub mod power;
pub mod uart;
