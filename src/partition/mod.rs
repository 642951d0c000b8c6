//! The state of a partition.

pub mod lifecycle;
pub mod vcpu;
