//! A guest's address map: QEMU `virt`'s, on every machine.

use alloc::vec::Vec;
use core::fmt;

use super::{GuestMemory, regions};
use crate::arch::addr::{Ipa, PAGE_SIZE, Pa, Region};
use crate::boot::description::PartitionDescription;
use crate::boot::description::{Result, refuse};
use crate::boot::machine::{Device, Gic};
use crate::devices::address_map::{
    CONSOLE, CONSOLE_SIZE, CPU_INTERFACE, CPU_INTERFACE_DIR, CPU_INTERFACE_SIZE, DISTRIBUTOR,
    DISTRIBUTOR_SIZE, IPA_END, MONITOR, MOST_REDISTRIBUTORS, REDISTRIBUTOR_SIZE, REDISTRIBUTORS,
    WATCHDOG_CONTROL, WATCHDOG_FRAME_SIZE, WATCHDOG_REFRESH,
};
use crate::devices::frame::{Frame, FrameKind};
use crate::mm::tables::Attributes;

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
    pub memory: Attributes,
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
    add(guest.start(), host.start(), host.size(), Attributes::GUEST);
    if let Gic::V2 { virtual_cpu_interface, .. } = gic {
        add(CPU_INTERFACE, virtual_cpu_interface.start(), PAGE_SIZE, Attributes::GUEST_DEVICE);
    }
    for pages in pages {
        add(Ipa::new(pages.start().get()), pages.start(), pages.size(), Attributes::GUEST_DEVICE);
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
