//! The cost of a device's interrupt, from the store that raises it: the alarm of a PL031.

use runtime::tree::machine;
use runtime::{gic, pl031};

use crate::figures::{Samples, TIMES, keep, nothing};
use crate::interrupts;

/// Measures from the store to the handler, and from the handler back to the interrupted code.
pub fn measure() {
    let Some(clock) = machine().real_time_clock else { return };
    let (mut to_handler, mut to_resumed) = (Samples::new(), Samples::new());
    let routines = interrupts::routines();
    let nothing = nothing();
    gic::enable(clock.interrupt);
    pl031::write(clock, pl031::RTCIMSC, 1);
    for _ in 0..TIMES {
        let now = pl031::read(clock, pl031::RTCDR);
        // SAFETY: a register of the clock, which the tree names and the guest alone uses.
        let taken = unsafe { routines.store(clock.registers + pl031::RTCMR, now) };
        to_handler.add(taken.at_vector - taken.counts.before - nothing);
        to_resumed.add(taken.counts.after - taken.at_vector);
    }
    pl031::write(clock, pl031::RTCIMSC, 0);
    gic::disable(clock.interrupt);
    keep("device-to-handler", to_handler);
    keep("device-to-resumed", to_resumed);
}
