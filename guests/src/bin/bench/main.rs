//! Measures the cost of a guest's operations. The same image runs on a bare machine and in a
//! partition: the difference is the cost of Bulkhead.
//!
//! Prints a line for each operation, in ticks of the counter. With QEMU's `-icount shift=0` and a
//! counter of 1 GHz these are instructions, EL2's included. Command line:
//!
//! - `cycles`: measures in cycles, where there is a performance monitor. They include EL2's if the
//!   partition
//!   has `count-hypervisor`. The latencies of the timer stay in ticks.
//! - `calls`: measures only calls to firmware.
//! - `restart`: prints when it was entered and when it resets, and resets.
//! - `entered`: only prints when it was entered.
//! - `wait`: sleeps for ever.
//! - `disks`: measures only the first disk by virtio.
//! - `terminal`: measures only the virtio console.
//! - `links`: measures only the network `lan` and the doorbell of memory that is shared; the other end
//!   of both is a guest with `links-peer`.
//! - `links-flood`: floods the network `lan`, whose other end does the same.

#![no_std]
#![no_main]

mod calls;
mod console;
mod counter;
mod devices;
mod disks;
mod doorbell;
mod figures;
mod flood;
mod frames;
mod interrupts;
mod links;
mod memory;
mod others;
mod restart;
mod timers;

use runtime::gic::Interrupt;
use runtime::println;
use runtime::tree::machine;

runtime::guest!(main, interrupt);

fn main() {
    let is_given = |word| machine().argument(word).is_some();
    restart::print_entered();
    if is_given("wait") {
        restart::wait();
    }
    if is_given("links-peer") {
        doorbell::receive();
        links::receive();
    }
    if is_given("links-flood") {
        flood::flood();
    }
    if is_given("restart") {
        restart::restart();
    }
    if !is_given("entered") {
        measure();
        figures::print_all();
    }
    println!("bench: done");
}

/// Handles an interrupt that no measurement takes.
fn interrupt(interrupt: Interrupt) {
    if !links::take(interrupt.intid) && !doorbell::take(interrupt.intid) {
        interrupts::unexpected(interrupt);
    }
}

/// Measures the operations of a single CPU or, with several, SGIs between them.
fn measure() {
    counter::start();
    interrupts::routines().install();
    if machine().cpus().len() > 1 {
        return others::measure();
    }
    if machine().argument("links").is_some() {
        links::measure();
        return doorbell::measure();
    }
    if machine().argument("disks").is_some() {
        return disks::measure();
    }
    if machine().argument("terminal").is_some() {
        return links::measure_terminal();
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
