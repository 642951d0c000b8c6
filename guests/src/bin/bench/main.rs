//! Measures what a guest's dealings with its CPU cost: the same image on a bare machine and in a
//! partition, so that the difference is Bulkhead's.
//!
//! A line for each thing measured, in ticks of the counter. QEMU's `-icount shift=0`, where the counter
//! runs at 1 GHz, makes that instructions, EL2's included. Command line:
//!
//! - `cycles`: in cycles, where there is a performance monitor; for EL2's to count, the partition has
//!   `count-hypervisor`. How long a timer takes to be heard stays in ticks.
//! - `calls`: calls to firmware alone.
//! - `restart`: tells when it was entered and when it resets, and resets.
//! - `entered`: tells when it was entered, and no more.
//! - `wait`: sleeps for ever.

#![no_std]
#![no_main]

mod calls;
mod console;
mod counter;
mod devices;
mod figures;
mod frames;
mod interrupts;
mod life;
mod memory;
mod others;
mod timers;

use runtime::println;
use runtime::tree::machine;

runtime::guest!(main, interrupts::unexpected);

fn main() {
    let is_asked = |word| machine().argument(word).is_some();
    life::tell_entered();
    if is_asked("wait") {
        life::wait();
    }
    if is_asked("restart") {
        life::restart();
    }
    if !is_asked("entered") {
        measure();
        figures::tell();
    }
    println!("bench: done");
}

/// With one CPU all that concerns it alone, with several what they do to each other.
fn measure() {
    counter::start();
    interrupts::routines().install();
    if machine().cpus().len() > 1 {
        return others::measure();
    }
    calls::measure();
    if machine().argument("calls").is_some() {
        return;
    }
    frames::measure();
    console::measure();
    timers::measure();
    devices::measure();
    others::measure_self();
    memory::measure();
}
