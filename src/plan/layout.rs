//! A guest's address map: QEMU `virt`'s, on every machine.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::Problem;
use super::{GuestGic, GuestMemory, PartitionPlan, regions};
use crate::addr::{Ipa, PAGE_SIZE, Pa, Region};
use crate::machine::Device;

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
    [distributor, cpu_side, console].into_iter().flatten().collect()
}

/// See [`PartitionPlan::mappings`].
pub(super) fn mappings(partition: &PartitionPlan) -> Vec<Mapping> {
    let mut pages = Vec::new();
    for device in &partition.devices {
        for page in device.registers.iter().filter_map(regions::pages) {
            regions::add(&mut pages, page);
        }
    }
    let device = |ipa, pa, size| Mapping { ipa, pa, size, kind: MemoryKind::Device };
    let pages = pages.iter();
    let mut mappings: Vec<_> = pages
        .map(|pages| device(Ipa::new(pages.start().get()), pages.start(), pages.size()))
        .collect();
    let mut add = |mapping: Mapping| {
        let index = mappings.partition_point(|other| other.ipa < mapping.ipa);
        mappings.insert(index, mapping);
    };
    let GuestMemory { guest, host } = partition.memory;
    let kind = MemoryKind::Normal;
    add(Mapping { ipa: guest.start(), pa: host.start(), size: host.size(), kind });
    if let GuestGic::V2 { virtual_cpu_interface } = partition.gic {
        add(device(CPU_INTERFACE, virtual_cpu_interface, PAGE_SIZE));
    }
    mappings
}

/// What a partition has at guest addresses besides its memory.
pub(super) struct AddressSpace {
    used: Vec<(Region<Ipa>, String)>,
}

impl AddressSpace {
    /// The frames of the interrupt controller and the console, and then the registers of `devices`,
    /// unless they collide: the name of the device that does, with the problem.
    pub(super) fn new<'d>(
        gic: &GuestGic,
        vcpus: usize,
        devices: &'d [Device],
    ) -> Result<Self, (&'d Device, Problem)> {
        let mut used: Vec<_> = frames(gic, vcpus)
            .into_iter()
            .map(|frame| (frame.region, String::from(frame.kind.name())))
            .collect();
        if let GuestGic::V2 { .. } = gic {
            let region = Region::new(CPU_INTERFACE, CPU_INTERFACE_SIZE);
            used.extend(
                region.map(|region| (region, String::from(FrameKind::CpuInterface.name()))),
            );
        }
        let mut space = Self { used };
        let frames = space.used.len();
        for device in devices {
            for pages in device.registers.iter().filter_map(regions::pages) {
                let start = Ipa::new(pages.start().get());
                let region = check_against(&space.used[..frames], start, pages.size());
                let region = region.map_err(|problem| (device, problem))?;
                space.used.push((region, device.path.clone()));
            }
        }
        Ok(space)
    }

    /// The `size` bytes from `start`, if they are guest addresses that nothing has yet.
    pub(super) fn check(&self, start: Ipa, size: u64) -> Result<Region<Ipa>, Problem> {
        check_against(&self.used, start, size)
    }

    /// What of `free` can be memory at the same guest address.
    pub(super) fn free_of(&self, free: Vec<Region<Pa>>) -> Vec<Region<Pa>> {
        let beyond = Region::between(Ipa::new(IPA_END), Ipa::new(u64::MAX));
        let used = self.used.iter().map(|(region, _)| *region).chain(beyond);
        used.fold(free, |free, used| {
            let taken = Region::new(Pa::new(used.start().get()), used.size());
            taken.map_or(Vec::new(), |taken| regions::subtract(&free, &taken))
        })
    }
}

fn check_against(
    used: &[(Region<Ipa>, String)],
    start: Ipa,
    size: u64,
) -> Result<Region<Ipa>, Problem> {
    let region = Region::new(start, size).filter(|region| region.end().get() <= IPA_END);
    let region = region.ok_or(Problem::BeyondIpa)?;
    let mut used = used.iter();
    used.find(|(used, _)| used.overlaps(&region)).map_or(Ok(region), |(used, with)| {
        Err(Problem::Collides { region: *used, with: with.clone() })
    })
}
