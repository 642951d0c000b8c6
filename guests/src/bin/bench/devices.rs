//! A device's interrupt, from the store that raises it: the alarm of a real-time clock (PL031).

use runtime::tree::{RealTimeClock, machine};
use runtime::{gic, mmio};

use crate::figures::{Samples, TIMES, keep, nothing};
use crate::interrupts;

/// The time, in seconds.
const RTCDR: u64 = 0x00;
/// When the alarm goes off.
const RTCMR: u64 = 0x04;
/// Lets it interrupt.
const RTCIMSC: u64 = 0x10;
/// Takes it back.
const RTCICR: u64 = 0x1c;

pub fn measure() {
    let Some(clock) = machine().real_time_clock else { return };
    let (mut to_handler, mut to_resumed) = (Samples::new(), Samples::new());
    let routines = interrupts::routines();
    let nothing = nothing();
    gic::enable(clock.interrupt);
    write(clock, RTCIMSC, 1);
    for _ in 0..TIMES {
        // SAFETY: the clock's registers, which the tree names, and which are the guest's alone.
        let taken = unsafe {
            let now = mmio::read32(clock.registers + RTCDR);
            routines.store(clock.registers + RTCMR, now)
        };
        to_handler.add(taken.at_vector - taken.counts.before - nothing);
        to_resumed.add(taken.counts.after - taken.at_vector);
    }
    write(clock, RTCIMSC, 0);
    gic::disable(clock.interrupt);
    keep("device-to-handler", to_handler);
    keep("device-to-resumed", to_resumed);
}

/// Takes the alarm back.
pub fn quiet(clock: RealTimeClock) {
    write(clock, RTCICR, 1);
}

fn write(clock: RealTimeClock, register: u64, value: u32) {
    // SAFETY: as above.
    unsafe { mmio::write32(clock.registers + register, value) };
}
