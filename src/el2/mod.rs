//! The half of Bulkhead that touches the hardware: all `unsafe` code and assembly is here.

pub mod arch;
pub mod boot;
pub mod console;
pub mod cpu;
pub mod drivers;
pub mod mm;
pub mod monitor;
pub mod partition;
pub mod trap;
pub mod vcpu;
