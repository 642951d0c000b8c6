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
mod handler;
mod identity;
mod interrupts;
mod performance;
mod report;
mod timers;
mod uart;
mod watchdog;

runtime::guest!(main, handler::take);

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
    report::summary();
}
