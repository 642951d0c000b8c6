//! The virtual and the physical timer.

use runtime::gic::Interrupt;
use runtime::tree::machine;
use runtime::{gic, read_register, timer, write_register};

use crate::interrupts::{LIMIT_US, taken};
use crate::report::{in_partition, report};

/// Runs the checks.
pub fn check() {
    let before = timer::now();
    report("virtual-count", timer::now() > before, true);
    let before = read_register!("cntpct_el0");
    report("physical-count", read_register!("cntpct_el0") >= before, true);

    let later = timer::microseconds(1_000);
    gic::enable(machine().virtual_timer);
    timer::arm_after(later);
    report("virtual-timer", taken(1), (1, [machine().virtual_timer]));
    gic::disable(machine().virtual_timer);
    check_line_high_at_end();
    check_ended_first();
    check_compare_value_alone();

    gic::enable(machine().physical_timer);
    timer::arm_physical_after(later);
    report("physical-timer", taken(1), (1, [machine().physical_timer]));
    gic::disable(machine().physical_timer);
}

/// Checks that an interrupt whose line is high when it ends is taken again, and not again once the
/// line is low.
fn check_line_high_at_end() {
    let intid = machine().virtual_timer;
    gic::enable(intid);
    timer::arm_after(0);
    let first = next(LIMIT_US);
    first.into_iter().for_each(gic::end);
    if gic::version() == 2 && in_partition() {
        gic::reevaluate(intid);
    }
    let again = next(LIMIT_US);
    timer::disarm();
    again.into_iter().for_each(gic::end);
    let more = next(200);
    more.into_iter().for_each(gic::end);
    gic::disable(intid);
    let taken = [first, again, more].map(|taken| taken.map(|it| it.intid));
    report("virtual-timer-high-at-end", taken, [Some(intid), Some(intid), None]);
}

/// Checks that a guest that ends the interrupt before it masks the timer gets one interrupt for each
/// expiry, but for one: a hypervisor may have to learn that.
fn check_ended_first() {
    gic::enable(machine().virtual_timer);
    let (mut first, mut more) = (0, 0);
    for _ in 0..20 {
        timer::arm_after(timer::microseconds(200));
        if let Some(interrupt) = next(LIMIT_US) {
            gic::end(interrupt);
            first += 1;
        }
        timer::mask();
        while let Some(interrupt) = next(100) {
            gic::end(interrupt);
            more += 1;
        }
    }
    timer::disarm();
    gic::disable(machine().virtual_timer);
    report("virtual-timer-ended-first", (first, more <= 1), (20, true));
}

/// Checks that every expiry interrupts a guest that sets the timer by its compare value alone, and
/// does not write the control register, within a second.
fn check_compare_value_alone() {
    gic::enable(machine().virtual_timer);
    timer::arm_after(timer::microseconds(200));
    let mut expiries = 0;
    for _ in 0..5 {
        let Some(interrupt) = next(1_000_000) else { break };
        gic::end(interrupt);
        expiries += 1;
        // Far longer than the host of an emulated machine makes it wait.
        write_register!("cntv_cval_el0", timer::now() + timer::microseconds(100_000));
        // The interrupt can have become pending between its end and the write.
        next(100).into_iter().for_each(gic::end);
    }
    timer::disarm();
    gic::disable(machine().virtual_timer);
    report("virtual-timer-compare-value-alone", expiries, 5);
}

/// Acknowledges the next interrupt, with interrupts masked, within `limit` microseconds.
fn next(limit: u64) -> Option<Interrupt> {
    let mut taken = None;
    timer::within(limit, || {
        taken = gic::acknowledge();
        taken.is_some()
    });
    taken
}
