//! Writes every register of the interrupt controller with the values that mean the most work, while
//! every CPU has as many pending and active interrupts as it can: the longest visits to EL2 that
//! its accesses cause.

use core::sync::atomic::{AtomicUsize, Ordering};

use runtime::gic::{self, Target};
use runtime::mmio::{read32, write32, write64};
use runtime::tree::{Gic, machine};
use runtime::{cpu, println, secondary};

const IROUTER: u64 = 0x6000;
/// The end of the registers that describe interrupts.
const REGISTERS_END: u64 = 0xd00;
/// The distance of two redistributors, and of a redistributor's SGI frame from its start.
const REDISTRIBUTOR: u64 = 0x2_0000;
const SGI_FRAME: u64 = 0x1_0000;
/// The SGIs, of which each CPU sends itself all.
const SGIS: u32 = 16;

static READY: AtomicUsize = AtomicUsize::new(0);

fn count() -> usize {
    machine().cpus().len()
}

/// Makes all SGIs of this CPU pending, and acknowledges some, which stay active.
fn fill() {
    for intid in 0..SGIS {
        gic::enable(intid);
        gic::set_priority(intid, 0xf0 - 8 * intid as u8);
        gic::send(intid, Target::Own);
    }
    for _ in 0..2 {
        _ = gic::acknowledge();
    }
}

fn other(_: usize) {
    cpu::mask_interrupts();
    fill();
    READY.fetch_add(1, Ordering::AcqRel);
    loop {
        core::hint::spin_loop();
    }
}

/// Routes the owned SPIs to all CPUs in turn, and makes them all pending.
fn spread(distributor: u64, words: u64) -> u32 {
    let mut owned = 0;
    for intid in 32..words as u32 * 32 {
        gic::set_bit(gic::ISENABLER, intid);
        if !gic::bit(gic::ISENABLER, intid) {
            continue;
        }
        let target = owned as usize % count();
        owned += 1;
        // SAFETY: registers of the interrupt controller, which the tree names.
        unsafe {
            match machine().gic {
                Gic::V2 { .. } => runtime::mmio::write8(
                    distributor + gic::ITARGETSR + u64::from(intid),
                    1 << target,
                ),
                Gic::V3 { .. } => {
                    write64(distributor + IROUTER + u64::from(intid) * 8, machine().cpus()[target]);
                }
            }
        }
        gic::set_priority(intid, 0xe8 - (intid % 28) as u8 * 8);
        gic::set_bit(gic::ISPENDR, intid);
    }
    owned
}

/// Writes each register of a frame with some values, and reads it.
fn registers(frame: u64) {
    for offset in (gic::IGROUPR..REGISTERS_END).step_by(4) {
        for value in [u32::MAX, 0, 0x5555_5555, u32::MAX] {
            // SAFETY: registers of the interrupt controller, which the tree names.
            unsafe {
                write32(frame + offset, value);
                _ = read32(frame + offset);
            }
        }
    }
}

pub fn run() {
    cpu::mask_interrupts();
    for index in 1..count() {
        secondary::start(index, other).expect("the CPU is off");
    }
    while READY.load(Ordering::Acquire) + 1 < count() {
        core::hint::spin_loop();
    }
    fill();
    let (Gic::V2 { distributor, .. } | Gic::V3 { distributor, .. }) = machine().gic;
    // SAFETY: a register of the interrupt controller, which the tree names.
    let words = unsafe { read32(distributor + gic::TYPER) & 0x1f } as u64 + 1;
    let owned = spread(distributor, words);
    println!("controller: {} CPUs, {owned} SPIs, {words} words", count());
    for round in 0..1 {
        // SAFETY: registers of the interrupt controller, which the tree names.
        unsafe {
            for enables in [0, 3, 1, 2, 0, 3] {
                write32(distributor + gic::CTLR, enables);
                _ = read32(distributor + gic::CTLR);
            }
        }
        registers(distributor);
        if let Gic::V3 { redistributors, .. } = machine().gic {
            for index in 0..count() as u64 {
                registers(redistributors + index * REDISTRIBUTOR + SGI_FRAME);
            }
        }
        println!("controller: round {round}");
        spread(distributor, words);
    }
}
