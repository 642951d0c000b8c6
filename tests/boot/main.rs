//! Boots Bulkhead with guests on QEMU, reads what they print, and judges by their own end markers
//! and by QEMU's exit status.
//!
//! One test program holds all the boots, so that they share the host's CPUs well and their names
//! read as one list. They need what `make image guests guests-linux` makes, and say so where it is
//! missing.

mod support;

#[allow(dead_code, reason = "`make bench` uses the rest of it")]
#[path = "../bench/measure/mod.rs"]
mod measure;

#[path = "../mutations/layout.rs"]
mod layout;
#[path = "../mutations/mutate.rs"]
mod mutate;
#[path = "../mutations/random.rs"]
mod random;

mod attack;
mod audit;
mod bench;
mod console;
mod cores;
mod entry;
mod guests;
mod isolation;
mod linux;
mod monitor;
mod mutations;
mod panic;
mod parallel;
mod raspberry_pi;
mod refusals;
mod restart;
mod watchdog;
