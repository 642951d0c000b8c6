//! Resets the attacker's own interrupt controller and UART after attacks, and checks that they
//! work.

use core::sync::atomic::{AtomicU64, Ordering};

use runtime::cpu::MAX_CPUS;
use runtime::exceptions::attempt;
use runtime::gic::{self, Interrupt, Target};
use runtime::mmio::{read32, write32, write64};
use runtime::tree::{Gic, machine};
use runtime::{cpu, pl011, timer, write_register};

use crate::tally::{Attempts, Outcome};

const IPRIORITY: u32 = 0xa0a0_a0a0;
const CPENDSGIR: u64 = 0xf10;
const IROUTER: u64 = 0x6000;
const GICC_CTLR: u64 = 0x00;
const GICC_PMR: u64 = 0x04;
const GICC_BPR: u64 = 0x08;
const GICC_APR: u64 = 0xd0;
const GICR_WAKER: u64 = 0x14;

/// The limit of a wait for an interrupt, in microseconds.
const LIMIT_US: u64 = 5_000_000;
/// The SGI of the check.
const SGI: u32 = 5;
/// The number of SGIs that each CPU has taken.
static SGIS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
/// The number of timer interrupts that each CPU has taken.
static TICKS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
static WORKING: Attempts = Attempts::new("interrupts of its own afterwards", &[Outcome::Done]);

/// Resets the shared state. One CPU calls this while the others wait.
pub fn shared() {
    let (Gic::V2 { distributor, .. } | Gic::V3 { distributor, .. }) = machine().gic;
    // SAFETY: registers of the interrupt controller, which the tree names; interrupts are masked.
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

/// Resets this CPU's own state.
pub fn private() {
    let frame = gic::frame(0);
    // SAFETY: as above; on GICv3 the frame is this CPU's.
    unsafe { reset_word(frame, 0) };
    match machine().gic {
        // SAFETY: registers of this CPU's interface.
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
            // SAFETY: the preceding frame is this CPU's RD_base.
            unsafe { write32(frame - 0x1_0000 + GICR_WAKER, 0) };
            write_register!("ICC_SRE_EL1", 7);
            clear_active_priorities();
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

/// Disables 32 interrupts, clears their state, and puts them into the group that the guest can use.
///
/// # Safety
///
/// The frame must have the registers of these interrupts.
unsafe fn reset_word(frame: u64, word: u64) {
    let group = if gic::version() == 3 { u32::MAX } else { 0 };
    // SAFETY: guaranteed by the caller.
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

/// Clears the active priorities of interrupts that were acknowledged and never ended. The number of
/// these registers depends on the CPU.
fn clear_active_priorities() {
    macro_rules! zero {
        ($($name:literal)*) => {$({
            unsafe extern "C" fn zero(_: u64, _: u64) -> u64 {
                write_register!($name, 0);
                0
            }
            // SAFETY: the function has nothing to drop.
            let _ = unsafe { attempt(zero, 0, 0) };
        })*};
    }
    zero!("ICC_AP0R0_EL1" "ICC_AP0R1_EL1" "ICC_AP0R2_EL1" "ICC_AP0R3_EL1");
    zero!("ICC_AP1R0_EL1" "ICC_AP1R1_EL1" "ICC_AP1R2_EL1" "ICC_AP1R3_EL1");
}

/// Checks that an SGI to itself and the interrupt of the virtual timer are taken, each once.
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

/// Handles an interrupt, and counts it.
pub fn take(interrupt: Interrupt) {
    if interrupt.intid == machine().virtual_timer {
        timer::disarm();
        TICKS[cpu::index()].fetch_add(1, Ordering::Relaxed);
    } else if interrupt.intid == SGI {
        SGIS[cpu::index()].fetch_add(1, Ordering::Relaxed);
    }
}
