//! Everything in Bulkhead that decides.
//!
//! Bulkhead is a minimal type 1 hypervisor for 64-bit Arm. This crate turns two device trees into a
//! checked plan, and a guest's traps into answers. It never touches a register or a physical
//! address: that is the work of the EL2 program (`main.rs` and `el2/`), which calls this crate and
//! carries out what it decided. So all of it compiles and is tested on the developer's own machine.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod addr;
pub mod audit;
pub mod backtrace;
pub mod console;
pub mod control;
pub mod deadlines;
pub mod esr;
pub mod fault;
pub mod fdt;
pub mod format;
pub mod guest_tree;
pub mod inject;
pub mod intid;
pub mod life;
pub mod machine;
pub mod mmio;
pub mod monitor;
pub mod nearest;
pub mod pl011;
pub mod plan;
pub mod psci;
pub mod rate;
pub mod report;
pub mod ring;
pub mod smccc;
pub mod stats;
pub mod system_registers;
pub mod tables;
mod text;
pub mod vcpu;
pub mod vgic;
pub mod watchdog;
mod window;
