//! The half of Bulkhead that makes decisions.
//!
//! Bulkhead is a minimal type 1 hypervisor for 64-bit Arm. This crate turns two device trees into a
//! checked plan, and a guest's traps into answers. It never touches a register or a physical
//! address: that is the work of the EL2 program (`main.rs` and `el2/`), which calls this crate and
//! carries out what it decided. Therefore all of it compiles and is tested on the developer's own
//! machine.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod arch;
pub mod boot;
pub mod devices;
pub mod mm;
pub mod operator;
pub mod partition;
pub mod smccc;
pub mod trap;
pub mod util;
pub mod vgic;
