//! Drivers of the machine's own devices.

pub mod gic;
pub mod mmio;
pub mod power;
pub mod uart;
