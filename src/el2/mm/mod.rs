//! Memory once the MMU is on: EL2's live tables, stage 2, and filling partitions.

pub mod fill;
pub mod live;
pub mod stage2;
pub mod window;
