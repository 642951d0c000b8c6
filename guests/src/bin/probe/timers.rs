//! The virtual and the physical timer.

use runtime::tree::machine;
use runtime::{gic, read_register, timer};

use crate::check as report;
use crate::interrupts::taken;

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

    gic::enable(machine().physical_timer);
    timer::arm_physical_after(later);
    report("physical-timer", taken(1), (1, [machine().physical_timer]));
    gic::disable(machine().physical_timer);
}
