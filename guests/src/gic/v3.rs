//! GICv3: redistributors, affinity routing, and system registers.

use super::interrupt::{Interrupt, Target};
use super::registers::{CTLR, IGROUPR, IPRIORITYR, PRIORITY, TYPER};
use crate::mmio::{read32, read64, write32, write64};
use crate::{cpu, read_register, tree, write_register};

/// GICD_CTLR: affinity routing, and the bits that enable Group 1 in the secure and the non-secure
/// view.
const ENABLE: u32 = 1 << 4 | 0b11;
const RWP: u32 = 1 << 31;
const IROUTER: u64 = 0x6000;

const GICR_TYPER: u64 = 0x08;
const GICR_WAKER: u64 = 0x14;
const SGI_FRAME: u64 = 0x1_0000;
const LAST: u64 = 1 << 4;
const VIRTUAL_LPIS: u64 = 1 << 1;
const PROCESSOR_SLEEP: u32 = 1 << 1;
const CHILDREN_ASLEEP: u32 = 1 << 2;

/// ICC_SGI1R_EL1.IRM: all CPUs except the sender.
const OTHERS: u64 = 1 << 40;

pub(super) fn init(distributor: u64) {
    // SAFETY: GICD registers, which the tree names, written before any interrupt is enabled.
    unsafe {
        write32(distributor + CTLR, 0);
        while read32(distributor + CTLR) & RWP != 0 {}
        let lines = u64::from((read32(distributor + TYPER) & 0x1f) * 32 + 32);
        for intid in (32..lines).step_by(32) {
            write32(distributor + IGROUPR + intid / 8, u32::MAX);
        }
        for intid in (32..lines).step_by(4) {
            write32(distributor + IPRIORITYR + intid, u32::from(PRIORITY) * 0x0101_0101);
        }
        write32(distributor + CTLR, ENABLE);
        while read32(distributor + CTLR) & RWP != 0 {}
    }
}

/// Returns the address of this CPU's redistributor.
fn redistributor(first: u64) -> u64 {
    let affinity = cpu::affinity();
    let affinity = affinity & 0xff_ffff | (affinity >> 32 & 0xff) << 24;
    let mut frame = first;
    loop {
        // SAFETY: GICR registers, which the tree names, up to the frame that is marked as the last.
        let typer = unsafe { read64(frame + GICR_TYPER) };
        if typer >> 32 == affinity {
            return frame;
        }
        assert!(typer & LAST == 0, "no redistributor for this CPU");
        frame += if typer & VIRTUAL_LPIS != 0 { 0x4_0000 } else { 0x2_0000 };
    }
}

pub(super) fn private_frame(first: u64) -> u64 {
    redistributor(first) + SGI_FRAME
}

pub(super) fn init_cpu(redistributors: u64) {
    let frame = redistributor(redistributors);
    // SAFETY: this CPU's GICR.
    unsafe {
        write32(frame + GICR_WAKER, read32(frame + GICR_WAKER) & !PROCESSOR_SLEEP);
        while read32(frame + GICR_WAKER) & CHILDREN_ASLEEP != 0 {}
        write32(frame + SGI_FRAME + IGROUPR, u32::MAX);
        for intid in (0..32).step_by(4) {
            write32(frame + SGI_FRAME + IPRIORITYR + intid, u32::from(PRIORITY) * 0x0101_0101);
        }
    }
    write_register!("ICC_SRE_EL1", read_register!("ICC_SRE_EL1") | 1);
    write_register!("ICC_CTLR_EL1", 0);
    write_register!("ICC_PMR_EL1", 0xff);
    write_register!("ICC_BPR1_EL1", 0);
    write_register!("ICC_IGRPEN1_EL1", 1);
}

pub(super) fn route_here(distributor: u64, intid: u32) {
    // SAFETY: a GICD register, which the tree names.
    unsafe { write64(distributor + IROUTER + u64::from(intid) * 8, cpu::affinity()) };
}

pub(super) fn acknowledge() -> u32 {
    read_register!("ICC_IAR1_EL1") as u32
}

pub(super) fn end(interrupt: Interrupt) {
    write_register!("ICC_EOIR1_EL1", interrupt.intid.into());
}

/// Returns the value of ICC_SGI1R_EL1 that sends an SGI.
pub(super) fn sgi(intid: u32, target: Target) -> u64 {
    let target = match target {
        Target::Cpu(index) => target_fields(tree::machine().cpus()[index]),
        Target::Others => OTHERS,
        Target::Own => target_fields(cpu::affinity()),
    };
    target | u64::from(intid) << 24
}

pub(super) fn send(value: u64) {
    write_register!("ICC_SGI1R_EL1", value);
}

/// Returns the target fields of ICC_SGI1R_EL1 for one affinity.
const fn target_fields(affinity: u64) -> u64 {
    let [aff0, aff1, aff2, _, aff3, ..] = affinity.to_le_bytes();
    (aff3 as u64) << 48
        | (aff0 as u64 / 16) << 44
        | (aff2 as u64) << 32
        | (aff1 as u64) << 16
        | 1 << (aff0 % 16)
}
