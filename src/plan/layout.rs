//! A guest's address map: QEMU `virt`'s, on every machine.

use alloc::vec::Vec;
use core::fmt;

use super::description::PartitionDescription;
use super::error::{Result, refuse};
use super::{GuestMemory, regions};
use crate::addr::{Ipa, PAGE_SIZE, Pa, Region};
use crate::machine::{Device, Gic};
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
/// The page of GICC_DIR.
const CPU_INTERFACE_DIR: Ipa = Ipa::new(CPU_INTERFACE.get() + PAGE_SIZE);
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

/// The emulated PL011 on which a guest finds the monitor: where QEMU `virt` has its second one.
pub const MONITOR: Ipa = Ipa::new(0x0904_0000);
/// The emulated watchdog's control frame, and a page later its refresh frame, at addresses that
/// QEMU `virt` has nothing at.
pub const WATCHDOG_CONTROL: Ipa = Ipa::new(0x090f_0000);
/// The emulated watchdog's refresh frame.
pub const WATCHDOG_REFRESH: Ipa = Ipa::new(WATCHDOG_CONTROL.get() + WATCHDOG_FRAME_SIZE);
/// Bytes of each of the watchdog's frames.
pub const WATCHDOG_FRAME_SIZE: u64 = PAGE_SIZE;

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
    /// The PL011 with the monitor.
    Monitor,
    /// The watchdog's control frame.
    WatchdogControl,
    /// The watchdog's refresh frame.
    WatchdogRefresh,
}

impl FrameKind {
    /// What a guest has there, as a refusal calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Distributor => "its distributor",
            Self::CpuInterface => "its CPU interface",
            Self::Redistributors => "its redistributors",
            Self::Console => "its PL011",
            Self::Monitor => "its monitor's PL011",
            Self::WatchdogControl | Self::WatchdogRefresh => "its watchdog",
        }
    }
}

/// The most emulated frames that a partition can have.
pub const MOST_FRAMES: usize = 7;

impl Frame {
    /// `frames` in an array, with frames of no bytes behind them: what each trap searches has a place
    /// and a length that never change.
    ///
    /// # Panics
    ///
    /// If there are more than [`MOST_FRAMES`].
    #[must_use]
    pub fn array(frames: &[Self]) -> [Self; MOST_FRAMES] {
        let nothing = Self { kind: FrameKind::Distributor, region: region(Ipa::new(0), 0) };
        let mut array = [nothing; MOST_FRAMES];
        array[..frames.len()].copy_from_slice(frames);
        array
    }
}

/// The emulated frames of a partition that has this interrupt controller and so many vCPUs.
pub(super) fn frames(partition: &PartitionDescription, gic: &Gic, vcpus: usize) -> Vec<Frame> {
    let frame = |kind, start, size| Frame { kind, region: region(start, size) };
    let of_cpus = match gic {
        Gic::V2 { .. } => frame(FrameKind::CpuInterface, CPU_INTERFACE_DIR, PAGE_SIZE),
        Gic::V3 { .. } => {
            let size = vcpus.min(MOST_REDISTRIBUTORS) as u64 * REDISTRIBUTOR_SIZE;
            frame(FrameKind::Redistributors, REDISTRIBUTORS, size)
        }
    };
    let distributor = frame(FrameKind::Distributor, DISTRIBUTOR, DISTRIBUTOR_SIZE);
    let console = frame(FrameKind::Console, CONSOLE, CONSOLE_SIZE);
    let mut frames = Vec::from([distributor, of_cpus, console]);
    if partition.monitor {
        frames.push(frame(FrameKind::Monitor, MONITOR, CONSOLE_SIZE));
    }
    if partition.watchdog_milliseconds.is_some() {
        let size = WATCHDOG_FRAME_SIZE;
        frames.push(frame(FrameKind::WatchdogControl, WATCHDOG_CONTROL, size));
        frames.push(frame(FrameKind::WatchdogRefresh, WATCHDOG_REFRESH, size));
    }
    frames
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

/// See [`super::PartitionPlan::mappings`].
pub(super) fn mappings(gic: &Gic, memory: &GuestMemory, devices: &[Device]) -> Vec<Mapping> {
    let mut pages = Vec::new();
    for registers in devices.iter().flat_map(|device| &device.registers) {
        if let Some(registers) = regions::pages(registers) {
            regions::add(&mut pages, registers);
        }
    }
    let mut mappings: Vec<Mapping> = Vec::with_capacity(pages.len() + 2);
    let mut add = |ipa, pa, size, memory| {
        let index = mappings.partition_point(|other| other.ipa < ipa);
        mappings.insert(index, Mapping { ipa, pa, size, memory });
    };
    let GuestMemory { guest, host } = memory;
    add(guest.start(), host.start(), host.size(), Memory::GUEST);
    if let Gic::V2 { virtual_cpu_interface, .. } = gic {
        add(CPU_INTERFACE, virtual_cpu_interface.start(), PAGE_SIZE, Memory::GUEST_DEVICE);
    }
    for pages in pages {
        add(Ipa::new(pages.start().get()), pages.start(), pages.size(), Memory::GUEST_DEVICE);
    }
    mappings
}

/// Guest addresses that are in use, and by what.
pub(super) type Used<'a> = (Region<Ipa>, &'a str);

/// What a partition has at guest addresses besides its memory: what is emulated, and the registers
/// of its devices, which must not be over that.
pub(super) fn used<'a>(
    partition: &PartitionDescription,
    gic: &Gic,
    vcpus: usize,
    devices: &'a [Device],
) -> Result<Vec<Used<'a>>> {
    let mut used = Vec::new();
    for Frame { region: frame, kind } in frames(partition, gic, vcpus) {
        // Its first page is not emulated, but mapped.
        let is_cpu_interface = kind == FrameKind::CpuInterface;
        let whole = region(CPU_INTERFACE, CPU_INTERFACE_SIZE);
        used.push((if is_cpu_interface { whole } else { frame }, kind.name()));
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
) -> Result<Region<Ipa>> {
    let region = Region::new(start, size).filter(|region| region.end().get() <= IPA_END);
    let Some(region) = region else {
        refuse!(node, "{what} ends past the last guest address, {:#x}", IPA_END - 1);
    };
    match used.iter().find(|(used, _)| used.overlaps(&region)) {
        Some((used, by)) => refuse!(node, "{what} would cover {by}, which the guest has at {used}"),
        None => Ok(region),
    }
}
