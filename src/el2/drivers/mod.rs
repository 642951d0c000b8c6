//! Drivers of the machine's own devices. They receive frames of registers that are mapped.

pub mod gic;
pub mod mmio;
pub mod power;
pub mod uart;
