//! Types of the Arm architecture: addresses, INTIDs, affinities, syndromes, system registers.

pub mod addr;
pub mod esr;
pub mod intid;
pub mod mpidr;
pub mod system_registers;
