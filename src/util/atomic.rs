//! The atomics of lock-free code. In loom models (`tools/loom`) they are loom's, which explores every
//! interleaving and every value that the orderings allow a load to return.

#[cfg(not(all(test, loom)))]
pub use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(all(test, loom))]
pub use loom::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
