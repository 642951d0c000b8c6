//! The cost of accesses to registers of the interrupt controller, for shared and for private
//! interrupts.

use core::hint::black_box;

use runtime::gic;
use runtime::mmio::{read32, write8, write32};
use runtime::tree::machine;

use crate::figures::measure as row;

/// Measures the accesses.
pub fn measure() {
    let Some(clock) = machine().real_time_clock else { return };
    let shared = clock.interrupt;
    let distributor = gic::frame(shared);
    let typer = black_box(distributor + gic::TYPER);
    // SAFETY: a register of the distributor, which the tree names; reading it has no effect.
    row("gicd-typer", || (), || _ = unsafe { read32(typer) });
    enables("isenabler-shared", "icenabler-shared", shared);
    enables("isenabler-private", "icenabler-private", machine().virtual_timer);
    let priority = black_box(distributor + gic::IPRIORITYR + u64::from(shared));
    // SAFETY: as above; the priority does not change.
    row("ipriorityr", || (), || unsafe { write8(priority, gic::PRIORITY) });
}

/// Measures enabling and disabling an interrupt that is not raised.
fn enables(enable: &'static str, disable: &'static str, intid: u32) {
    let register = gic::frame(intid) + u64::from(intid / 32 * 4);
    let [set, clear] = black_box([register + gic::ISENABLER, register + gic::ICENABLER]);
    let bit = 1 << (intid % 32);
    // SAFETY: the registers that `gic::enable` and `gic::disable` write.
    row(enable, || gic::disable(intid), || unsafe { write32(set, bit) });
    // SAFETY: as above.
    row(disable, || gic::enable(intid), || unsafe { write32(clear, bit) });
}
