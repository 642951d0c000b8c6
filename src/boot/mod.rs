//! Reads the machine and the description and plans the partitions, before the first guest starts.
//! Boot unmaps this code then.

pub mod audit;
pub mod description;
mod display;
pub mod el2_registers;
pub mod fdt;
pub mod granule;
pub mod guest_tree;
pub mod machine;
pub mod msi;
pub mod pci;
pub mod plan;
pub mod report;
pub mod smmu;
pub mod steps;
pub mod tables;
mod text;
