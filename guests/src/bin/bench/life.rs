//! When the guest was entered, and how long until it is again.

use runtime::{cpu, println, psci, timer};

/// How far ahead a reset is told, so that the line is out by then.
const AHEAD_US: u64 = 20_000;

/// The physical counter at the guest's first instruction: since the machine's reset.
pub fn tell_entered() {
    println!("bench: entered={}", timer::entered());
}

/// Tells when it resets, and does so then.
pub fn restart() -> ! {
    let due = timer::now_physical() + timer::microseconds(AHEAD_US);
    println!("bench: reset={due}");
    while timer::now_physical() < due {}
    psci::system_reset()
}

/// Sleeps for ever.
pub fn wait() -> ! {
    println!("bench: waits");
    cpu::wait_until(|| false);
    unreachable!()
}
