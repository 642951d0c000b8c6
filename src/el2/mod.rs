//! The only room with `unsafe` and assembly: what touches the hardware.

pub mod arch;
pub mod boot;
pub mod console;
pub mod cpu;
pub mod drivers;
pub mod mm;
mod monitor;
pub mod partition;
pub mod trap;
pub mod vcpu;
