//! A guest's address map: QEMU `virt`'s, on every machine.

use alloc::vec;
use alloc::vec::Vec;

use super::{GuestGic, PartitionPlan};
use crate::addr::{Ipa, PAGE_SIZE, Pa, Region};

/// One past the highest IPA: stage 2 translates 39 bits.
pub const IPA_END: u64 = 1 << 39;
/// The distributor, GICD.
pub const DISTRIBUTOR: Ipa = Ipa::new(0x0800_0000);
/// Bytes of the distributor's frame.
pub const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// The GICv2 CPU interface, GICC.
pub const CPU_INTERFACE: Ipa = Ipa::new(0x0801_0000);
/// Bytes of the CPU interface: a page that is the hardware's GICV, and the page of GICC_DIR, which traps.
pub const CPU_INTERFACE_SIZE: u64 = 2 * PAGE_SIZE;
/// The GICv3 redistributors, one after another in the order of the vCPUs.
pub const REDISTRIBUTORS: Ipa = Ipa::new(0x080a_0000);
/// Bytes of one vCPU's redistributor: RD_base and SGI_base.
pub const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;
/// The emulated PL011.
pub const CONSOLE: Ipa = Ipa::new(0x0900_0000);
/// Bytes of the PL011's registers.
pub const CONSOLE_SIZE: u64 = PAGE_SIZE;

/// How memory behaves in a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// RAM: write-back cacheable, executable.
    Normal,
    /// Registers: Device-nGnRE, never executable.
    Device,
}

/// A run of pages that stage 2 maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where the guest sees it.
    pub ipa: Ipa,
    /// Where it is.
    pub pa: Pa,
    /// Bytes, in whole pages.
    pub size: u64,
    /// What is there.
    pub kind: MemoryKind,
}

/// Registers that Bulkhead emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where the guest sees them.
    pub region: Region<Ipa>,
    /// Which they are.
    pub kind: FrameKind,
}

/// The frames that are emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The interrupt controller's distributor.
    Distributor,
    /// The second page of the GICv2 CPU interface, with GICC_DIR.
    CpuInterface,
    /// The GICv3 redistributors of all vCPUs.
    Redistributors,
    /// The PL011.
    Console,
}

/// The emulated frames of a partition with this interrupt controller and so many vCPUs.
pub(super) fn frames(gic: &GuestGic, vcpus: usize) -> Vec<Frame> {
    let frame = |kind, start: u64, size| {
        let start = Ipa::new(start);
        Region::new(start, size).map(|region| Frame { region, kind })
    };
    let cpu_side = match gic {
        GuestGic::V2 { .. } => frame(
            FrameKind::CpuInterface,
            CPU_INTERFACE.get() + PAGE_SIZE,
            CPU_INTERFACE_SIZE - PAGE_SIZE,
        ),
        GuestGic::V3 => frame(
            FrameKind::Redistributors,
            REDISTRIBUTORS.get(),
            REDISTRIBUTOR_SIZE.saturating_mul(vcpus as u64),
        ),
    };
    let distributor = frame(FrameKind::Distributor, DISTRIBUTOR.get(), DISTRIBUTOR_SIZE);
    let console = frame(FrameKind::Console, CONSOLE.get(), CONSOLE_SIZE);
    [distributor, cpu_side, console]
        .into_iter()
        .flatten()
        .collect()
}

/// See [`PartitionPlan::mappings`].
pub(super) fn mappings(partition: &PartitionPlan) -> Vec<Mapping> {
    let memory = &partition.memory;
    let mut mappings = vec![Mapping {
        ipa: memory.guest.start(),
        pa: memory.host.start(),
        size: memory.host.size(),
        kind: MemoryKind::Normal,
    }];
    if let GuestGic::V2 {
        virtual_cpu_interface,
    } = partition.gic
    {
        mappings.push(Mapping {
            ipa: CPU_INTERFACE,
            pa: virtual_cpu_interface,
            size: PAGE_SIZE,
            kind: MemoryKind::Device,
        });
    }
    mappings.extend(device_pages(partition).into_iter().map(|pages| Mapping {
        ipa: Ipa::new(pages.start().get()),
        pa: pages.start(),
        size: pages.size(),
        kind: MemoryKind::Device,
    }));
    mappings.sort_unstable_by_key(|mapping| mapping.ipa);
    mappings
}

/// The pages that hold registers of the partition's devices: sorted, and neighbours made one.
fn device_pages(partition: &PartitionPlan) -> Vec<Region<Pa>> {
    let registers = partition
        .devices
        .iter()
        .flat_map(|device| &device.registers);
    let mut pages: Vec<_> = registers.filter_map(Region::page_aligned).collect();
    pages.sort_unstable_by_key(Region::start);
    pages.dedup_by(|next, last| {
        let touching = next.start() <= last.end();
        if touching {
            let end = last.end().max(next.end());
            *last = Region::between(last.start(), end).unwrap_or(*last);
        }
        touching
    });
    pages
}
