//! The atomics of lock-free code.
//!
//! In loom models (`tools/loom`) they are loom's, which explores the interleavings of all threads
//! and the values that the orderings allow a load to return. Two limits of loom matter here: it
//! takes accesses with `SeqCst` for `AcqRel`, so code that needs a total order must use
//! `fence(SeqCst)`; and it does not delay a load beyond a later store of the same thread.

#[cfg(not(all(test, loom)))]
pub use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(all(test, loom))]
pub use loom::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
