//! The virtual and the physical timer.

use runtime::gic::Interrupt;
use runtime::tree::machine;
use runtime::{gic, read_register, timer};

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

/// Acknowledges the next interrupt, with interrupts masked, within `limit` microseconds.
fn next(limit: u64) -> Option<Interrupt> {
    let mut taken = None;
    timer::within(limit, || {
        taken = gic::acknowledge();
        taken.is_some()
    });
    taken
}
