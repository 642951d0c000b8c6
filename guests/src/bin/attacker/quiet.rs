//! Bringing the attacker's own interrupt controller and UART back to order after what was done to them,
//! and finding out whether they still work.

use core::sync::atomic::{AtomicU64, Ordering};

use runtime::cpu::MAX_CPUS;
use runtime::exceptions::attempt;
use runtime::gic::{self, Interrupt, Target};
use runtime::mmio::{read32, write32, write64};
use runtime::tree::{Gic, machine};
use runtime::{cpu, pl011, timer, write_register};

use crate::tally::{Kind, Outcome};

const IPRIORITY: u32 = 0xa0a0_a0a0;
const CPENDSGIR: u64 = 0xf10;
const IROUTER: u64 = 0x6000;
const GICC_CTLR: u64 = 0x00;
const GICC_PMR: u64 = 0x04;
const GICC_BPR: u64 = 0x08;
const GICC_APR: u64 = 0xd0;
const GICR_WAKER: u64 = 0x14;

/// Longer than an interrupt ever takes.
const LIMIT_US: u64 = 5_000_000;
/// An SGI, and how often each CPU has taken it and its timer.
const SGI: u32 = 5;
static SGIS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
static TICKS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
static WORKING: Kind = Kind::new("interrupts of its own afterwards", &[Outcome::Done]);

/// Everything that is shared, by one CPU while the others wait.
pub fn shared() {
    let (Gic::V2 { distributor, .. } | Gic::V3 { distributor, .. }) = machine().gic;
    // SAFETY: registers of the interrupt controller, which the tree names; no interrupt is let in.
    unsafe {
        write32(distributor + gic::CTLR, 0);
        let words = u64::from(read32(distributor + gic::TYPER) & 0x1f) + 1;
        for word in 1..words {
            reset_word(distributor, word);
            for register in word * 8..(word + 1) * 8 {
                write32(distributor + gic::ITARGETSR + register * 4, 0x0101_0101);
            }
            for intid in word * 32..(word + 1) * 32 {
                write64(distributor + IROUTER + intid * 8, 0);
            }
        }
        let enables = if gic::version() == 3 { 1 << 4 | 0b10 } else { 1 };
        write32(distributor + gic::CTLR, enables);
    }
    pl011::write(pl011::IMSC, 0);
    pl011::write(pl011::ICR, 0x7ff);
    pl011::write(pl011::LCR_H, 0b111 << 4);
    pl011::write(pl011::CR, 0x301);
}

/// What is this CPU's own.
pub fn private() {
    let frame = gic::frame(0);
    // SAFETY: as above; on GICv3 the frame is this CPU's own.
    unsafe { reset_word(frame, 0) };
    match machine().gic {
        // SAFETY: registers of this CPU's own.
        Gic::V2 { distributor, cpu_interface } => unsafe {
            for register in 0..4 {
                write32(distributor + CPENDSGIR + register * 4, u32::MAX);
                write32(cpu_interface + GICC_APR + register * 4, 0);
            }
            write32(cpu_interface + GICC_BPR, 0);
            write32(cpu_interface + GICC_PMR, 0xff);
            write32(cpu_interface + GICC_CTLR, 1);
        },
        Gic::V3 { .. } => {
            // SAFETY: the frame before is this CPU's RD_base.
            unsafe { write32(frame - 0x1_0000 + GICR_WAKER, 0) };
            write_register!("ICC_SRE_EL1", 7);
            active_priorities();
            write_register!("ICC_CTLR_EL1", 0);
            write_register!("ICC_PMR_EL1", 0xff);
            write_register!("ICC_BPR1_EL1", 0);
            write_register!("ICC_IGRPEN0_EL1", 0);
            write_register!("ICC_IGRPEN1_EL1", 1);
        }
    }
    write_register!("cntv_ctl_el0", 0);
    write_register!("cntp_ctl_el0", 0);
    write_register!("mdscr_el1", 0);
}

/// Disables and forgets 32 interrupts, in the group that the guest can use.
///
/// # Safety
///
/// The frame has the registers of these interrupts.
unsafe fn reset_word(frame: u64, word: u64) {
    let group = if gic::version() == 3 { u32::MAX } else { 0 };
    // SAFETY: the caller's.
    unsafe {
        for register in [gic::ICENABLER, gic::ICPENDR, gic::ICACTIVER] {
            write32(frame + register + word * 4, u32::MAX);
        }
        write32(frame + gic::IGROUPR + word * 4, group);
        for register in word * 8..(word + 1) * 8 {
            write32(frame + gic::IPRIORITYR + register * 4, IPRIORITY);
        }
        write32(frame + gic::ICFGR + word * 8, 0);
        write32(frame + gic::ICFGR + word * 8 + 4, 0);
    }
}

/// Forgets the priorities of interrupts that were acknowledged and never ended. How many of these
/// registers there are depends on the CPU.
fn active_priorities() {
    macro_rules! zero {
        ($($name:literal)*) => {$({
            unsafe extern "C" fn zero(_: u64, _: u64) -> u64 {
                write_register!($name, 0);
                0
            }
            // SAFETY: the function holds nothing.
            let _ = unsafe { attempt(zero, 0, 0) };
        })*};
    }
    zero!("ICC_AP0R0_EL1" "ICC_AP0R1_EL1" "ICC_AP0R2_EL1" "ICC_AP0R3_EL1");
    zero!("ICC_AP1R0_EL1" "ICC_AP1R1_EL1" "ICC_AP1R2_EL1" "ICC_AP1R3_EL1");
}

/// An SGI to itself and the virtual timer come in, each once.
pub fn check() {
    let index = cpu::index();
    let before = [&SGIS, &TICKS].map(|counters| counters[index].load(Ordering::Relaxed));
    gic::enable(SGI);
    gic::enable(machine().virtual_timer);
    cpu::unmask_interrupts();
    gic::send(SGI, Target::Own);
    timer::arm_after(timer::microseconds(100));
    let now = || [&SGIS, &TICKS].map(|counters| counters[index].load(Ordering::Relaxed));
    timer::within(LIMIT_US, || now() == before.map(|count| count + 1));
    cpu::mask_interrupts();
    gic::disable(SGI);
    gic::disable(machine().virtual_timer);
    let is_right = now() == before.map(|count| count + 1);
    let outcome = if is_right { Outcome::Done } else { Outcome::Fault };
    WORKING.count(outcome, format_args!("CPU {index}: SGI and tick {before:?}, {:?}", now()));
}

/// Notes an interrupt that came in.
pub fn take(interrupt: Interrupt) {
    if interrupt.intid == machine().virtual_timer {
        timer::disarm();
        TICKS[cpu::index()].fetch_add(1, Ordering::Relaxed);
    } else if interrupt.intid == SGI {
        SGIS[cpu::index()].fetch_add(1, Ordering::Relaxed);
    }
}
