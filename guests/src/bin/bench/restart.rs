//! The counts of the boot and of a restart.

use runtime::{cpu, println, psci, timer};

/// The time between printing the count of a reset and the reset, in microseconds: the line is out
/// by then.
const AHEAD_US: u64 = 20_000;

/// Prints the physical count at the guest's first instruction, which starts at the machine's reset.
pub fn print_entered() {
    println!("bench: entered={}", timer::entered());
}

/// Prints the count at which the guest will reset itself, and resets then.
pub fn restart() -> ! {
    let due = timer::now_physical() + timer::microseconds(AHEAD_US);
    println!("bench: reset={due}");
    while timer::now_physical() < due {}
    psci::system_reset()
}

/// Sleeps for ever.
pub fn wait() -> ! {
    println!("bench: waiting");
    cpu::wait_until(|| false);
    unreachable!()
}
