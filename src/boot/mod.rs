//! Reads, plans and reports before the first guest starts; unmapped from then on.

pub mod audit;
pub mod description;
pub mod el2_registers;
pub mod fdt;
pub mod guest_tree;
pub mod machine;
pub mod plan;
pub mod report;
mod text;
