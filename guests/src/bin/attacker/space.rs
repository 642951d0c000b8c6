//! The attacker's own addresses, and those that it attacks.

use runtime::cpu::MAX_CPUS;
use runtime::tree::{Gic, machine};

use crate::random::Random;
use crate::window;

/// The size of a page, in bytes.
pub const PAGE: u64 = 0x1000;
const BLOCK: u64 = 2 << 20;
const GIB: u64 = 1 << 30;

/// The regions of devices of QEMU's `virt` and of a Raspberry Pi 4, among them Bulkhead's own UART
/// and the other frames of the interrupt controller: first address, and end.
const DEVICES: [(u64, u64); 4] = [
    (0x0800_0000, 0x0c00_0000),
    (0xfe00_0000, 0x1_0000_0000),
    (0x40_0000_0000, 0x40_0004_0000),
    (0x40_1000_0000, 0x40_1001_0000),
];

/// A range of addresses: the first one, and the size in bytes.
pub type Range = (u64, u64);

/// Returns the partition's own frames: distributor, CPU interface or redistributors, UART, and
/// those of the watchdog if there is one.
pub fn frames() -> impl Iterator<Item = Range> {
    let cpus = machine().cpus().len().min(MAX_CPUS) as u64;
    let [distributor, of_cpus] = match machine().gic {
        Gic::V2 { distributor, cpu_interface } => {
            [(distributor, 0x1_0000), (cpu_interface, 2 * PAGE)]
        }
        Gic::V3 { distributor, redistributors } => {
            [(distributor, 0x1_0000), (redistributors, cpus * 0x2_0000)]
        }
    };
    let watchdog = machine().watchdog.map(|it| [(it.control, PAGE), (it.refresh, PAGE)]);
    [distributor, of_cpus, (machine().uart, PAGE)].into_iter().chain(watchdog.into_iter().flatten())
}

/// Returns whether the page at this address is the attacker's own.
pub fn is_own(page: u64) -> bool {
    let memory = machine().memory().iter().map(|region| (region.base, region.size));
    memory.chain(frames()).any(|(base, size)| page >= base && page - base < size)
}

/// Visits a random page of each 2 MiB of the lower 4 GiB and of each GiB above, except own pages.
pub fn scattered(random: &mut Random, mut visit: impl FnMut(&mut Random, u64)) {
    let low = (0..4 * GIB).step_by(BLOCK as usize).map(|base| (base, BLOCK));
    let high = (4 * GIB..window::SIZE).step_by(GIB as usize).map(|base| (base, GIB));
    for (base, size) in low.chain(high) {
        let page = base + random.below(size / PAGE) * PAGE;
        if !is_own(page) {
            visit(random, page);
        }
    }
}

/// Visits every page of devices, and the pages next to the attacker's own, except own pages.
pub fn every_page_of_devices(mut visit: impl FnMut(u64)) {
    let around = |(base, size): Range| [base.wrapping_sub(PAGE), base + size];
    let memory = machine().memory().iter().map(|region| (region.base, region.size));
    let neighbours = memory.chain(frames()).flat_map(around);
    let devices = DEVICES.iter().flat_map(|&(base, end)| (base..end).step_by(PAGE as usize));
    for page in devices.chain(neighbours) {
        if !is_own(page) {
            visit(page);
        }
    }
}
