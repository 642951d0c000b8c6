//! Changes the trigger of an interrupt all the time. Two partitions do so at the same time, with
//! interrupts whose triggers are in one physical register.

use runtime::tree::machine;
use runtime::{fail, gic, mmio, pl031, println, timer};

use crate::number;

/// Sets the trigger of an interrupt. The interrupts beside it are not this partition's.
fn set_edge(intid: u32, edge: bool) {
    let register = gic::frame(intid) + gic::ICFGR + u64::from(intid / 16 * 4);
    let bit = 2 << (intid % 16 * 2);
    // SAFETY: a register of the interrupt controller, which the tree names.
    unsafe { mmio::write32(register, if edge { bit } else { 0 }) };
}

/// Changes the trigger of interrupt `intid=N`, whose device does nothing.
pub fn toggle() {
    let (intid, mut changes) = (number("intid") as u32, 0_u64);
    timer::within(number("us"), || {
        changes += 1;
        set_edge(intid, changes.is_multiple_of(2));
        false
    });
    println!("controller: {changes} changes");
}

/// Changes the trigger of the real-time clock's interrupt, whose line is high, and checks each
/// change by what the interrupt does: after its pending state is cleared it is pending exactly if
/// it is level-sensitive.
pub fn check() {
    let Some(clock) = machine().real_time_clock else { fail!("there is no real-time clock") };
    pl031::clear(clock);
    pl031::write(clock, pl031::RTCIMSC, 1);
    pl031::write(clock, pl031::RTCMR, pl031::read(clock, pl031::RTCDR));
    gic::disable(clock.interrupt);
    let (mut changes, mut wrong) = (0_u64, 0_u64);
    timer::within(number("us"), || {
        changes += 1;
        let edge = changes.is_multiple_of(2);
        set_edge(clock.interrupt, edge);
        gic::set_bit(gic::ICPENDR, clock.interrupt);
        wrong += u64::from(gic::bit(gic::ISPENDR, clock.interrupt) == edge);
        false
    });
    pl031::clear(clock);
    println!("controller: {changes} changes, {wrong} were undone");
}
