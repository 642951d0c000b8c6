//! Checks, one line each, that what is private to a CPU works as on the bare machine, and that what
//! is not the guest's answers as it should. Every check must pass on a bare `virt` machine as well,
//! apart from those that only a partition can pass, which are skipped there.
//!
//! Command line: `echo` waits for a line of input, by interrupts, and sends it back.

#![no_std]
#![no_main]

mod calls;
mod debug;
mod faults;
mod identity;
mod interrupts;
mod performance;
mod timers;
mod uart;
mod watchdog;

use core::fmt::{Debug, Display};
use core::sync::atomic::{AtomicU32, Ordering};

use runtime::println;
use runtime::tree::machine;

runtime::guest!(main, interrupts::take);

static PASSED: AtomicU32 = AtomicU32::new(0);
static FAILED: AtomicU32 = AtomicU32::new(0);

fn main() {
    identity::check();
    calls::check();
    faults::check();
    interrupts::check();
    timers::check();
    uart::check();
    watchdog::check();
    performance::check();
    debug::check();
    let passed = PASSED.load(Ordering::Relaxed);
    let failed = FAILED.load(Ordering::Relaxed);
    println!("probe: done, {passed} ok, {failed} failed");
}

fn in_partition() -> bool {
    machine().partition.is_some()
}

/// Reports whether a check came out as it should.
fn check<T: PartialEq + Debug>(name: impl Display, is: T, should: T) {
    if is == should {
        PASSED.fetch_add(1, Ordering::Relaxed);
        println!("ok {name}");
    } else {
        FAILED.fetch_add(1, Ordering::Relaxed);
        println!("FAIL {name}: {is:x?}, not {should:x?}");
    }
}
