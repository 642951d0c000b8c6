//! The configuration of a partition's GIC.

use crate::arch::intid::Intid;

/// The version of the GIC architecture, which is the same for the machine and its partitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// GICv2 (IHI 0048B).
    V2,
    /// GICv3 (IHI 0069), with affinity routing only and a single Security state.
    V3,
}

/// How a partition's interrupts are delivered to its guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// EL2 takes them and writes them into list registers.
    Trapped,
    /// The guest takes them at the physical CPU interface, without an exit. GICv3 only.
    Direct,
}

/// The configuration of a partition's GIC.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// The version of the architecture.
    pub version: Version,
    /// How interrupts are delivered.
    pub delivery: Delivery,
    /// The number of vCPUs: 1 to 64, at most 8 on GICv2. Their affinities are those of
    /// [`Mpidr::of_vcpu`](crate::arch::mpidr::Mpidr::of_vcpu).
    pub vcpus: usize,
    /// GICD_TYPER.ITLinesNumber, 0 to 31: the GIC has 32 (n + 1) INTIDs.
    pub it_lines_number: u32,
    /// The physical interrupts that the partition owns: PPIs, on each of its CPUs, and SPIs.
    pub hardware: &'a [Intid],
    /// The PPI of the virtual timer, if the partition owns it.
    pub virtual_timer: Option<Intid>,
    /// The PPIs and SPIs that Bulkhead raises by [`Vgic::set_line`](super::Vgic::set_line), and
    /// `messages`.
    pub virtual_only: &'a [Intid],
    /// The SPIs for which LPIs stand. Each arrives as this interrupt, on any CPU of the partition,
    /// and is deactivated by nobody.
    pub messages: &'a [Intid],
}
