//! Checks that everything private to a CPU works as on a bare machine, and that accesses to
//! everything else have the specified result. Prints a line for each check. All checks must also
//! pass on a bare `virt` machine, except those that only apply to partitions, which are skipped
//! there.
//!
//! Command line: with `echo` it waits for a line of input, by interrupts, and prints it; with
//! `random` it prints its random seeds and numbers instead of all checks, and resets itself.

#![no_std]
#![no_main]

mod calls;
mod debug;
mod faults;
mod handler;
mod identity;
mod interrupts;
mod performance;
mod random;
mod report;
mod timers;
mod uart;
mod watchdog;

use runtime::tree::machine;

runtime::guest!(main, handler::take);

fn main() {
    if machine().argument("random").is_some() {
        random::show();
    }
    identity::check();
    calls::check();
    random::check();
    faults::check();
    interrupts::check();
    timers::check();
    uart::check();
    watchdog::check();
    performance::check();
    debug::check();
    report::summary();
}
