//! What boot makes a partition from.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bulkhead::arch::intid::Intid;
use bulkhead::boot::plan::PartitionPlan;

use super::{
    Doorbells, LinkPorts, MonitorDevice, PciFunctions, RandomNumbers, Streams, Supervisor, Totals,
};
use crate::el2::console::Port;
use crate::el2::cpu::Seat;
use crate::el2::drivers::gic::Gic;
use crate::el2::mm::fill::PartitionMemory;
use crate::el2::mm::stage2::Stage2;

/// The parts from which boot makes a partition.
pub struct PartitionParts {
    /// The resources that it owns.
    pub plan: PartitionPlan,
    /// Its device tree.
    pub tree: Vec<u8>,
    /// Its stage 2.
    pub stage2: Stage2,
    /// Its memory, as EL2 accesses it.
    pub memory: PartitionMemory,
    /// Its port at the console.
    pub port: &'static Port,
    /// Its random numbers, if the machine has entropy.
    pub random: Option<Box<dyn RandomNumbers>>,
    /// Its PL011 with the monitor, if it has one.
    pub monitor: Option<Box<dyn MonitorDevice>>,
    /// Its virtio devices, if it has any.
    pub links: Option<Box<dyn LinkPorts>>,
    /// The doorbells of the memory that it shares, if it shares some.
    pub doorbells: Option<Box<dyn Doorbells>>,
    /// Its PCI Express functions, if it has any.
    pub pci: Option<Box<dyn PciFunctions>>,
    /// The streams of its devices, if any is behind an SMMU.
    pub streams: Option<Box<dyn Streams>>,
    /// The monitor, if there is one.
    pub supervisor: Option<&'static dyn Supervisor>,
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
    /// The PPIs that guests own.
    pub ppis: &'static [Intid],
    /// The PPI of the virtual timer.
    pub virtual_timer: Intid,
    /// The place of each vCPU on its physical CPU.
    pub seats: &'static [Seat],
    /// The totals of all partitions.
    pub totals: &'static Totals,
}
