//! Maintains its caches by set and way, as boot loaders do, with the MMU on and off, and prints how
//! many ticks each instruction takes and how late a timer interrupt is meanwhile.

#![no_std]
#![no_main]

use core::arch::{asm, naked_asm};
use core::sync::atomic::{AtomicU64, Ordering};

use runtime::gic::{self, Interrupt};
use runtime::tree::machine;
use runtime::{cpu, fail, println, timer};

runtime::guest!(main, interrupt);

/// The count at which the timer expires.
static DUE: AtomicU64 = AtomicU64::new(0);
/// The number of ticks by which its interrupt is late.
static LATE: AtomicU64 = AtomicU64::new(u64::MAX);

/// What [`with_caches_off`] measures, in this order.
const STEPS: [&str; 6] = ["off", "first", "again", "on", "on first", "on again"];

fn main() {
    gic::enable(machine().virtual_timer);
    let after = timer::microseconds(20);
    DUE.store(timer::now() + after, Ordering::Relaxed);
    timer::arm_after(after);
    cpu::unmask_interrupts();
    let first = by_set_and_way();
    cpu::mask_interrupts();
    let again = by_set_and_way();
    println!("caches: begun with caches on: first {first}, again {again}");
    println!("caches: interrupt late by {}", LATE.load(Ordering::Relaxed));
    let mut ticks = [0; STEPS.len()];
    // SAFETY: the runtime maps memory by identity, and interrupts are masked.
    unsafe { with_caches_off(&mut ticks) };
    for (step, ticks) in STEPS.iter().zip(ticks) {
        println!("caches: {step}: {ticks}");
    }
    println!("caches: done");
}

/// Executes one DC CISW, and returns the number of ticks that it takes.
fn by_set_and_way() -> u64 {
    let start = timer::now();
    // SAFETY: cleans a line, or all, and changes no data.
    unsafe { asm!("dc cisw, xzr", "dsb sy", options(nostack)) };
    timer::now() - start
}

/// Turns the MMU and the data cache off, executes DC CISW twice, turns both on and executes it
/// twice, without an access to memory in between. Stores the ticks of each of these six.
///
/// # Safety
///
/// Memory must be mapped by identity, and interrupts must be masked.
#[unsafe(naked)]
unsafe extern "C" fn with_caches_off(ticks: &mut [u64; STEPS.len()]) {
    naked_asm!(
        ".macro timed to, instruction:vararg",
        "isb",
        "mrs x17, cntvct_el0",
        "\\instruction",
        "isb",
        "mrs \\to, cntvct_el0",
        "sub \\to, \\to, x17",
        ".endm",
        "mrs x1, sctlr_el1",
        "bic x2, x1, #1",
        "bic x2, x2, #4",
        "timed x3, msr sctlr_el1, x2",
        "timed x4, dc cisw, xzr",
        "timed x5, dc cisw, xzr",
        "timed x6, msr sctlr_el1, x1",
        "timed x7, dc cisw, xzr",
        "timed x8, dc cisw, xzr",
        ".purgem timed",
        "stp x3, x4, [x0]",
        "stp x5, x6, [x0, #16]",
        "stp x7, x8, [x0, #32]",
        "ret",
    )
}

/// Records how late the timer's interrupt is.
fn interrupt(interrupt: Interrupt) {
    if interrupt.intid != machine().virtual_timer {
        fail!("unexpected interrupt {}", interrupt.intid);
    }
    LATE.store(timer::now() - DUE.load(Ordering::Relaxed), Ordering::Relaxed);
    timer::disarm();
}
