//! Takes a timer interrupt at each beat, and reports missed ones and the longest gap between two.
//!
//! Command line: `beats=N` (1000), `period-us=N` (1000); `print=N` prints a line after each N
//! beats; with `busy` it loops between the beats instead of sleeping.

#![no_std]
#![no_main]

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, Ordering};

use runtime::gic::{self, Interrupt};
use runtime::tree::machine;
use runtime::{cpu, fail, println, timer, write_register};

runtime::guest!(main, interrupt);

static PERIOD: AtomicU64 = AtomicU64::new(0);
/// The count at which the next beat is due.
static DUE: AtomicU64 = AtomicU64::new(0);
static BEATS: AtomicU64 = AtomicU64::new(0);
/// The count at the last interrupt.
static LAST: AtomicU64 = AtomicU64::new(0);
static LONGEST: AtomicU64 = AtomicU64::new(0);
/// The number of beats whose interrupt came only when the next one was due.
static LATE: AtomicU64 = AtomicU64::new(0);

fn main() {
    let beats = machine().number("beats").unwrap_or(1000);
    let period = timer::microseconds(machine().number("period-us").unwrap_or(1000));
    PERIOD.store(period, Ordering::Relaxed);
    gic::enable(machine().virtual_timer);
    let start = timer::now();
    LAST.store(start, Ordering::Relaxed);
    let print = machine().number("print");
    let is_busy = machine().argument("busy").is_some();
    cpu::unmask_interrupts();
    // The timer is set here and not in the handler: see `timer::arm_after`.
    for beat in 1..=beats {
        arm(start + beat * period);
        let is_over = || BEATS.load(Ordering::Relaxed) >= beat;
        if is_busy {
            while !is_over() {
                spin_loop();
            }
        } else {
            cpu::wait_until(is_over);
        }
        if print.is_some_and(|every| beat % every == 0) {
            println!("metronome: beat {beat}");
        }
    }
    cpu::mask_interrupts();
    let passed = (timer::now() - start) / period;
    let (longest, late) = (LONGEST.load(Ordering::Relaxed), LATE.load(Ordering::Relaxed));
    println!(
        "metronome: {beats} beats in {passed} periods of {period}, longest gap {longest}, \
         late {late}"
    );
    if passed < beats {
        fail!("{beats} interrupts came in {passed} periods");
    }
}

fn arm(due: u64) {
    DUE.store(due, Ordering::Relaxed);
    write_register!("cntv_cval_el0", due);
    write_register!("cntv_ctl_el0", 1);
}

fn interrupt(interrupt: Interrupt) {
    if interrupt.intid != machine().virtual_timer {
        fail!("unexpected interrupt {}", interrupt.intid);
    }
    let now = timer::now();
    timer::disarm();
    let (due, period) = (DUE.load(Ordering::Relaxed), PERIOD.load(Ordering::Relaxed));
    if now < due {
        fail!("a beat's interrupt came {} early", due - now);
    }
    LATE.fetch_add(u64::from(now - due >= period), Ordering::Relaxed);
    LONGEST.fetch_max(now - LAST.swap(now, Ordering::Relaxed), Ordering::Relaxed);
    BEATS.fetch_add(1, Ordering::Relaxed);
}
