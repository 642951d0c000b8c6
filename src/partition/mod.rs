//! Decides about a partition's lifecycle, and numbers its vCPUs.

pub mod lifecycle;
pub mod orders;
pub mod vcpu;
