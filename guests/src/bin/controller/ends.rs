//! Deactivates an interrupt of another partition, which a CPU whose interrupts are direct can do
//! (GICv3).

use runtime::tree::machine;
use runtime::{fail, gic, pl031, println, timer, write_register};

use crate::number;

/// ICC_CTLR_EL1.EOImode: an EOI only drops the priority.
const EOIMODE: u64 = 1 << 1;

/// Ends the foreign interrupt `intid=N` all the time. An EOI needs an active priority to drop.
pub fn foreign() {
    let intid = number("intid");
    timer::within(number("us"), || {
        write_register!("S3_0_C12_C9_0", 1 << 20); // ICC_AP1R0_EL1: the priority 0xa0
        write_register!("ICC_EOIR1_EL1", intid);
        false
    });
    write_register!("S3_0_C12_C9_0", 0);
}

/// Takes the real-time clock's interrupt, drops its priority and does not deactivate it for the
/// given time: it must not come again.
pub fn hold() {
    write_register!("ICC_CTLR_EL1", EOIMODE);
    let Some(clock) = machine().real_time_clock else { fail!("there is no real-time clock") };
    pl031::clear(clock);
    pl031::write(clock, pl031::RTCIMSC, 1);
    pl031::write(clock, pl031::RTCMR, pl031::read(clock, pl031::RTCDR));
    gic::enable(clock.interrupt);
    let mut taken = 0;
    timer::within(number("us"), || {
        if let Some(interrupt) = gic::acknowledge() {
            gic::end(interrupt);
            taken += 1;
        }
        false
    });
    pl031::clear(clock);
    println!("controller: taken {taken} times");
}
