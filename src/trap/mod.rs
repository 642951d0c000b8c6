//! Decodes exceptions that a guest takes to EL2, and decides how EL2 answers them.

pub mod fault;
pub mod inject;
pub mod mmio;
pub mod set_way;
pub mod stats;
pub mod system_registers;
pub mod undescribed;
