//! GICv2: the parts that differ from GICv3.

use core::sync::atomic::{AtomicU8, Ordering};

use super::interrupt::{Interrupt, Target};
use super::registers::{CTLR, IPRIORITYR, ITARGETSR, PRIORITY, SGIR, TYPER};
use crate::cpu::{self, MAX_CPUS};
use crate::mmio::{read32, write8, write32};

const GICC_CTLR: u64 = 0x00;
const GICC_PMR: u64 = 0x04;
const GICC_IAR: u64 = 0x0c;
const GICC_EOIR: u64 = 0x10;

/// The target bit of each CPU's interface, which only that CPU can read.
static INTERFACE: [AtomicU8; MAX_CPUS] = [const { AtomicU8::new(0) }; MAX_CPUS];

pub(super) fn init(distributor: u64) {
    // SAFETY: GICD registers, which the tree names, written before any interrupt is enabled.
    unsafe {
        let lines = (read32(distributor + TYPER) & 0x1f) * 32 + 32;
        for intid in (32..u64::from(lines)).step_by(4) {
            write32(distributor + IPRIORITYR + intid, u32::from(PRIORITY) * 0x0101_0101);
        }
        write32(distributor + CTLR, 1);
    }
}

pub(super) fn init_cpu(distributor: u64, cpu_interface: u64) {
    // SAFETY: GICD registers banked for this CPU, and its own GICC.
    unsafe {
        let own = read32(distributor + ITARGETSR) as u8;
        INTERFACE[cpu::index()].store(own, Ordering::Release);
        for intid in (0..32).step_by(4) {
            write32(distributor + IPRIORITYR + intid, u32::from(PRIORITY) * 0x0101_0101);
        }
        write32(cpu_interface + GICC_PMR, 0xff);
        write32(cpu_interface + GICC_CTLR, 1);
    }
}

/// Returns the number of a CPU's interface.
pub(super) fn interface(index: usize) -> u32 {
    INTERFACE[index].load(Ordering::Acquire).trailing_zeros()
}

pub(super) fn route_here(distributor: u64, intid: u32) {
    let own = INTERFACE[cpu::index()].load(Ordering::Acquire);
    // SAFETY: a GICD register, which the tree names.
    unsafe { write8(distributor + ITARGETSR + u64::from(intid), own) };
}

pub(super) fn acknowledge(cpu_interface: u64) -> u32 {
    // SAFETY: this CPU's GICC; the caller gets the interrupt that the read makes active.
    unsafe { read32(cpu_interface + GICC_IAR) }
}

pub(super) fn end(cpu_interface: u64, interrupt: Interrupt) {
    // SAFETY: this CPU's GICC; the interrupt was acknowledged on it.
    unsafe { write32(cpu_interface + GICC_EOIR, interrupt.source << 10 | interrupt.intid) };
}

/// Returns the value of GICD_SGIR that sends an SGI.
pub(super) fn sgi(intid: u32, target: Target) -> u32 {
    let target = match target {
        Target::Cpu(index) => u32::from(INTERFACE[index].load(Ordering::Acquire)) << 16,
        Target::Others => 1 << 24,
        Target::Own => 2 << 24,
    };
    target | intid
}

pub(super) fn send(distributor: u64, value: u32) {
    // SAFETY: a GICD register, which the tree names.
    unsafe { write32(distributor + SGIR, value) };
}
