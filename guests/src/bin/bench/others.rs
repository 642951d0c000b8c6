//! The cost of SGIs, to the sender itself and to other CPUs.
//!
//! All CPUs have the same counter. With `-icount` QEMU runs one CPU at a time, and the counter
//! counts the instructions of all CPUs. A CPU that waits gives up its turn (WFE), one that sleeps
//! gets none.

use core::arch::asm;
use core::array;
use core::ops::Range;

use runtime::cpu::{self, MAX_CPUS};
use runtime::gic::{self, SGIR, Target};
use runtime::tree::{Gic, machine};
use runtime::{fail, mmio, secondary, timer, write_register};

use crate::figures::{Samples, TIMES, cost, keep, keep_in, nothing};
use crate::interrupts::{self, CALL, NOTE, REPLY, TICKS, at_vector, taken};

/// Measures SGIs to the sender itself: one that is sent while masked, and one that is taken at
/// once.
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

/// Measures SGIs to one other CPU, to all others, and to one CPU and back.
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

/// Runs on the other CPUs: takes interrupts. The first one is from itself and shows that it is
/// ready.
fn receive(_: usize) {
    TICKS.install();
    gic::enable(CALL);
    gic::enable(NOTE);
    gic::send(NOTE, Target::Own);
    cpu::wait_until(|| false);
}

/// Measures SGIs to these CPUs, each sent when all have taken the one before.
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

/// Waits until `done`, and gives up this CPU's turn meanwhile.
fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        // SAFETY: only hints; SEVL sets an event, so that the WFE does not sleep on hardware.
        unsafe { asm!("sevl", "wfe", options(nostack)) };
    }
}
