//! The interrupt handler: silences the source, then records the interrupt.

use runtime::gic::Interrupt;
use runtime::tree::machine;
use runtime::{timer, write_register};

use crate::{interrupts, uart, watchdog};

/// Handles an interrupt.
pub fn take(interrupt: Interrupt) {
    let machine = machine();
    if interrupt.intid == machine.virtual_timer {
        timer::disarm();
    } else if interrupt.intid == machine.physical_timer {
        timer::disarm_physical();
    } else if interrupt.intid == machine.uart_interrupt {
        uart::take();
    } else if machine.watchdog.is_some_and(|it| it.interrupt == interrupt.intid) {
        watchdog::take();
    } else if Some(interrupt.intid) == machine.pmu_interrupt {
        write_register!("pmintenclr_el1", u64::MAX >> 32);
        write_register!("pmovsclr_el0", u64::MAX >> 32);
    }
    interrupts::record(interrupt);
}
