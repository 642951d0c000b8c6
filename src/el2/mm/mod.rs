//! Memory while the MMU is on: EL2's own tables, stage 2, and access to the partitions' memory.
//!
//! Every invalidation of other CPUs' TLBs is done twice, with a DSB in between, for cores on which
//! another CPU may load the old entry meanwhile (errata 1286807 of the Cortex-A76, 2441007 of the
//! Cortex-A55, 2441009 of the Cortex-A510). None is on a path that is taken often.

pub mod fill;
pub mod guest_code;
pub mod images;
pub mod live;
pub mod stage2;
pub mod window;
