//! The EL2 program: the half of Bulkhead that accesses the hardware. All `unsafe` code and assembly
//! is here.

pub mod arch;
pub mod boot;
pub mod console;
pub mod cpu;
pub mod dma;
pub mod drivers;
pub mod entropy;
pub mod links;
pub mod mm;
pub mod monitor;
pub mod partition;
pub mod pci;
pub mod trap;
pub mod vcpu;
