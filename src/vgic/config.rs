//! What a partition's GIC is made from.

use crate::arch::intid::Intid;

/// The version of the GIC architecture that a partition sees: the machine's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// IHI 0048B.
    V2,
    /// IHI 0069, with affinity routing only and a single Security state.
    V3,
}

/// How a partition's interrupts reach it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// By way of EL2, which puts them into list registers.
    Trapped,
    /// From the physical CPU interface, with no exit. For GICv3 alone.
    Direct,
}

/// What a partition's GIC is made from.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// The version.
    pub version: Version,
    /// How interrupts are delivered.
    pub delivery: Delivery,
    /// How many vCPUs it has: 1 to 64, at most 8 on GICv2. Their affinities are those of
    /// [`Mpidr::of_vcpu`](crate::arch::mpidr::Mpidr::of_vcpu).
    pub vcpus: usize,
    /// GICD_TYPER.ITLinesNumber: there are 32 (n + 1) INTIDs. 0 to 31.
    pub it_lines_number: u32,
    /// The physical interrupts that the partition owns: PPIs, of each of its CPUs, and SPIs.
    pub hardware: &'a [Intid],
    /// The interrupts that Bulkhead raises by [`Vgic::set_line`](super::Vgic::set_line): PPIs and SPIs.
    pub virtual_only: &'a [Intid],
}
