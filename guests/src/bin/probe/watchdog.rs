//! The Generic Watchdog, where the tree has one.

use core::sync::atomic::{AtomicU32, Ordering};

use runtime::tree::machine;
use runtime::watchdog::{self, EN, W_IIDR, WCS, WOR, WS0};
use runtime::{gic, timer};

use crate::interrupts::taken;
use crate::report::report;

/// The length of a stage, in microseconds: the second must not end before the handler has run.
const STAGE_US: u64 = 500_000;
/// WOR bits 63:32, which version 0 of the watchdog does not have.
const WOR_HIGH: u64 = 0x00c;

static STATUS: AtomicU32 = AtomicU32::new(0);

/// Handles the interrupt: records the status and disables the watchdog.
pub fn take() {
    STATUS.store(watchdog::read(WCS), Ordering::Relaxed);
    watchdog::write(WCS, 0);
}

/// Runs the checks.
pub fn check() {
    let Some(tree) = machine().watchdog else { return };
    let version = watchdog::read(W_IIDR) >> 16 & 0xf;
    let same = watchdog::read_refresh(W_IIDR) == watchdog::read(W_IIDR);
    report("watchdog-version", (version, same), (0, true));
    report("watchdog-runs-from-the-start", watchdog::read(WCS), EN);
    watchdog::write(WCS, 0);
    report("watchdog-stops", watchdog::read(WCS), 0);
    let ticks = timer::microseconds(STAGE_US);
    watchdog::write(WOR, ticks as u32);
    watchdog::write(WOR_HIGH, 1);
    let registers = [watchdog::read(WOR), watchdog::read(WOR_HIGH), watchdog::read_refresh(0)];
    report("watchdog-offset", registers, [ticks as u32, 0, 0]);
    timer::within(STAGE_US / 10, || false);
    let before = watchdog::left();
    watchdog::feed();
    let after = watchdog::left();
    report("watchdog-is-fed", before < after && after <= ticks, true);

    gic::enable(tree.interrupt);
    watchdog::write(WCS, EN);
    report("watchdog-interrupt", taken(1), (1, [tree.interrupt]));
    report("watchdog-first-stage", STATUS.load(Ordering::Relaxed), EN | WS0);
    gic::disable(tree.interrupt);
}
