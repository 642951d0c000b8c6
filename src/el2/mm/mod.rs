//! Memory: EL2's translation, stage 2, the heap.

pub mod fill;
pub mod heap;
pub mod mmu;
pub mod stage2;
pub mod window;
