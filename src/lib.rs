//! The half of Bulkhead that makes decisions.
//!
//! Bulkhead is a minimal type 1 hypervisor for 64-bit Arm. This crate turns two device trees into a
//! checked Plan, and decides how a guest's exits are handled. It accesses no register and no
//! physical address: the EL2 program (`main.rs` and `el2/`) calls this crate and carries out what
//! it decides. So all of it compiles and is tested on the developer's own machine.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod arch;
pub mod boot;
pub mod devices;
pub mod entropy;
pub mod mm;
pub mod msi;
pub mod operator;
pub mod partition;
pub mod pci;
pub mod sched;
pub mod smccc;
pub mod smmu;
pub mod trap;
pub mod util;
pub mod vgic;
pub mod virtio;
