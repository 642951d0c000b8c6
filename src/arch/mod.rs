//! The architecture's own terms: addresses, interrupt numbers, affinities, syndromes, registers.

pub mod addr;
pub mod esr;
pub mod intid;
pub mod mpidr;
pub mod system_registers;
