//! SGIs, to oneself and to other CPUs.
//!
//! The counter is one for all CPUs. With `-icount` QEMU runs one CPU at a time, and the counter counts
//! the instructions of them all; a CPU that waits gives up its turn (WFE), one that sleeps has none.

use core::arch::asm;
use core::array;
use core::ops::Range;

use runtime::cpu::{self, MAX_CPUS};
use runtime::gic::{self, SGIR, Target};
use runtime::tree::{Gic, machine};
use runtime::{fail, mmio, secondary, timer, write_register};

use crate::figures::{Samples, TIMES, cost, keep, keep_in, nothing};
use crate::interrupts::{self, CALL, NOTE, REPLY, TICKS, at_vector, taken};

/// SGIs to oneself: sent while masked, and taken at once.
pub fn measure_self() {
    let (mut send, mut to_handler, mut to_resumed) =
        (Samples::new(), Samples::new(), Samples::new());
    gic::enable(NOTE);
    let routines = interrupts::routines();
    let value = gic::sgi(NOTE, Target::Own);
    let nothing = nothing();
    for _ in 0..TIMES {
        send.add(cost_of_sending(value));
        routines.spin();
        let taken = match machine().gic {
            // SAFETY: GICD_SGIR, which the tree names, with this CPU as its target.
            Gic::V2 { distributor, .. } => unsafe {
                routines.store(distributor + SGIR, value as u32)
            },
            Gic::V3 { .. } => routines.send(value),
        };
        to_handler.add(taken.at_vector - taken.counts.before - nothing);
        to_resumed.add(taken.counts.after - taken.at_vector);
    }
    keep("sgi-self-send", send);
    keep("sgi-self-to-handler", to_handler);
    keep("sgi-self-to-resumed", to_resumed);
}

fn cost_of_sending(value: u64) -> u64 {
    match machine().gic {
        Gic::V2 { distributor, .. } => {
            // SAFETY: GICD_SGIR, which the tree names; the receivers are ready for this SGI.
            cost(|| unsafe { mmio::write32(distributor + SGIR, value as u32) })
        }
        Gic::V3 { .. } => cost(|| write_register!("ICC_SGI1R_EL1", value)),
    }
}

/// SGIs to one other CPU and to all others, and there and back.
pub fn measure() {
    let cpus = machine().cpus().len();
    gic::enable(REPLY);
    for cpu in 1..cpus {
        if let Err(error) = secondary::start(cpu, receive) {
            fail!("CPU_ON for CPU {cpu}: {error:?}");
        }
        until(|| taken(cpu) == 1);
    }
    let one = Target::Cpu(1);
    send("sgi-one-send", "sgi-one-to-handler", one, 1..2);
    send("sgi-all-send", "sgi-all-to-last-handler", Target::Others, 1..cpus);
    let mut round_trip = Samples::new();
    let value = gic::sgi(CALL, one);
    for _ in 0..TIMES {
        let before = taken(0);
        let start = timer::now();
        cost_of_sending(value);
        cpu::unmask_interrupts();
        until(|| taken(0) > before);
        cpu::mask_interrupts();
        round_trip.add(at_vector(0) - start);
    }
    keep_in("ticks", "sgi-round-trip", round_trip);
}

/// What the other CPUs do: take interrupts, of which the first says that they are ready.
fn receive(_: usize) {
    TICKS.install();
    gic::enable(CALL);
    gic::enable(NOTE);
    gic::send(NOTE, Target::Own);
    cpu::wait_until(|| false);
}

/// Sends one SGI at a time to these CPUs, until all have taken it.
fn send(
    name: &'static str,
    name_to_handler: &'static str,
    target: Target,
    receivers: Range<usize>,
) {
    let (mut send, mut to_handler) = (Samples::new(), Samples::new());
    let value = gic::sgi(NOTE, target);
    for _ in 0..TIMES {
        let before: [u64; MAX_CPUS] = array::from_fn(taken);
        let start = timer::now();
        send.add(cost_of_sending(value));
        let is_taken = |cpu: usize| taken(cpu) > before[cpu];
        until(|| receivers.clone().all(is_taken));
        let last = receivers.clone().map(at_vector).max().unwrap_or(0);
        to_handler.add(last - start);
    }
    keep(name, send);
    keep_in("ticks", name_to_handler, to_handler);
}

/// Waits until `done`, giving up this CPU's turn.
fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        // SAFETY: a hint; SEVL sets the event that keeps this WFE from sleeping on hardware.
        unsafe { asm!("sevl", "wfe", options(nostack)) };
    }
}
