//! Decodes what a guest did, and decides what it gets for it.

pub mod fault;
pub mod inject;
pub mod mmio;
pub mod stats;
pub mod system_registers;
