//! Reports the checks, one line each, and counts them.

use core::fmt::{Debug, Display};
use core::sync::atomic::{AtomicU32, Ordering};

use runtime::println;
use runtime::tree::machine;

static PASSED: AtomicU32 = AtomicU32::new(0);
static FAILED: AtomicU32 = AtomicU32::new(0);

/// Returns whether the guest runs in a partition, not on a bare machine.
pub fn in_partition() -> bool {
    machine().partition.is_some()
}

/// Reports whether a check has the expected result.
pub fn report<T: PartialEq + Debug>(name: impl Display, actual: T, expected: T) {
    if actual == expected {
        PASSED.fetch_add(1, Ordering::Relaxed);
        println!("ok {name}");
    } else {
        FAILED.fetch_add(1, Ordering::Relaxed);
        println!("FAIL {name}: {actual:x?}, not {expected:x?}");
    }
}

/// Prints the number of checks that passed and failed.
pub fn summary() {
    let passed = PASSED.load(Ordering::Relaxed);
    let failed = FAILED.load(Ordering::Relaxed);
    println!("probe: done, {passed} ok, {failed} failed");
}
