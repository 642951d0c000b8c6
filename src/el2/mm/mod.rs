//! Memory while the MMU is on: EL2's own tables, stage 2, and filling the partitions' memory.

pub mod fill;
pub mod live;
pub mod stage2;
pub mod window;
