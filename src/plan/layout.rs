//! A guest's address map: QEMU `virt`'s, on every machine.

use alloc::vec::Vec;
use core::fmt;

use super::description::PartitionDescription;
use super::error::{PlanError, refuse};
use super::{GuestGic, GuestMemory, PartitionPlan, regions};
use crate::addr::{Ipa, PAGE_SIZE, Pa, Region};
use crate::machine::Device;
use crate::tables::Memory;

/// Where a guest's memory begins, unless its description says otherwise.
pub const GUEST_BASE: Ipa = Ipa::new(0x4000_0000);
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
/// How many redistributors there is room for, up to the PL011.
pub const MOST_REDISTRIBUTORS: usize =
    ((CONSOLE.get() - REDISTRIBUTORS.get()) / REDISTRIBUTOR_SIZE) as usize;
/// The emulated PL011.
pub const CONSOLE: Ipa = Ipa::new(0x0900_0000);
/// Bytes of the PL011's registers.
pub const CONSOLE_SIZE: u64 = PAGE_SIZE;

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

impl FrameKind {
    /// What it is, in messages.
    const fn name(self) -> &'static str {
        match self {
            Self::Distributor => "its distributor",
            Self::CpuInterface => "its CPU interface",
            Self::Redistributors => "its redistributors",
            Self::Console => "its PL011",
        }
    }
}

/// The emulated frames of a partition with this interrupt controller and so many vCPUs.
pub(super) fn frames(gic: GuestGic, vcpus: usize) -> [Frame; 3] {
    let frame = |kind, start, size| Frame { kind, region: region(start, size) };
    [
        frame(FrameKind::Distributor, DISTRIBUTOR, DISTRIBUTOR_SIZE),
        match gic {
            GuestGic::V2 { .. } => frame(
                FrameKind::CpuInterface,
                Ipa::new(CPU_INTERFACE.get() + PAGE_SIZE),
                CPU_INTERFACE_SIZE - PAGE_SIZE,
            ),
            GuestGic::V3 => {
                let vcpus = vcpus.min(MOST_REDISTRIBUTORS) as u64;
                frame(FrameKind::Redistributors, REDISTRIBUTORS, vcpus * REDISTRIBUTOR_SIZE)
            }
        },
        frame(FrameKind::Console, CONSOLE, CONSOLE_SIZE),
    ]
}

fn region(start: Ipa, size: u64) -> Region<Ipa> {
    Region::new(start, size).expect("no frame is near the end of 64 bits")
}

/// A run of pages that stage 2 maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// Where the guest sees it.
    pub ipa: Ipa,
    /// Where it is.
    pub pa: Pa,
    /// Bytes, in whole pages.
    pub size: u64,
    /// How it behaves.
    pub memory: Memory,
}

/// See [`PartitionPlan::mappings`].
pub(super) fn mappings(partition: &PartitionPlan) -> Vec<Mapping> {
    let mut pages = Vec::new();
    for registers in partition.devices.iter().flat_map(|device| &device.registers) {
        if let Some(registers) = regions::pages(registers) {
            regions::add(&mut pages, registers);
        }
    }
    let mut mappings: Vec<Mapping> = Vec::with_capacity(pages.len() + 2);
    let mut add = |ipa, pa, size, memory| {
        let index = mappings.partition_point(|other| other.ipa < ipa);
        mappings.insert(index, Mapping { ipa, pa, size, memory });
    };
    let GuestMemory { guest, host } = partition.memory;
    add(guest.start(), host.start(), host.size(), Memory::GUEST);
    if let GuestGic::V2 { virtual_cpu_interface } = partition.gic {
        add(CPU_INTERFACE, virtual_cpu_interface, PAGE_SIZE, Memory::GUEST_DEVICE);
    }
    for pages in pages {
        add(Ipa::new(pages.start().get()), pages.start(), pages.size(), Memory::GUEST_DEVICE);
    }
    mappings
}

/// Guest addresses that are in use, and by what.
pub(super) type Used<'a> = (Region<Ipa>, &'a str);

/// What a partition has at guest addresses besides its memory: the frames of the interrupt
/// controller and the console, and the registers of its devices, which must not be over those.
pub(super) fn used<'a>(
    partition: &PartitionDescription,
    gic: GuestGic,
    vcpus: usize,
    devices: &'a [Device],
) -> Result<Vec<Used<'a>>, PlanError> {
    let frames = frames(gic, vcpus);
    let mut used = Vec::from(frames.map(|frame| (frame.region, frame.kind.name())));
    if let GuestGic::V2 { .. } = gic {
        let kind = FrameKind::CpuInterface;
        used.push((region(CPU_INTERFACE, CPU_INTERFACE_SIZE), kind.name()));
    }
    let frames = used.len();
    for Device { path, registers, .. } in devices {
        for pages in registers.iter().filter_map(regions::pages) {
            let start = Ipa::new(pages.start().get());
            let what = format_args!(": devices = \"{path}\"");
            let region = check(&used[..frames], start, pages.size(), &partition.path, what)?;
            used.push((region, path));
        }
    }
    Ok(used)
}

/// The `size` bytes from `start`, if they are guest addresses that nothing in `used` has. If not,
/// the error begins with the path `node` and with `what`, its property and the value.
pub(super) fn check(
    used: &[Used<'_>],
    start: Ipa,
    size: u64,
    node: &str,
    what: fmt::Arguments<'_>,
) -> Result<Region<Ipa>, PlanError> {
    let Some(region) = Region::new(start, size).filter(|region| region.end().get() <= IPA_END)
    else {
        return refuse!(node, "{what} ends past the last guest address, {:#x}", IPA_END - 1);
    };
    match used.iter().find(|(used, _)| used.overlaps(&region)) {
        Some((used, by)) => {
            refuse!(node, "{what} would cover {by}, which the guest has at {used}")
        }
        None => Ok(region),
    }
}
