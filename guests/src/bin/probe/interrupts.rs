//! The interrupt controller, as a driver uses it.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use runtime::gic::{self, Interrupt, Target};
use runtime::tree::machine;
use runtime::{cpu, mmio, pl011, timer};

use crate::report::{in_partition, report};

/// The limit of a wait for an interrupt, in microseconds: far longer than one takes.
pub const LIMIT_US: u64 = 5_000_000;
const SPURIOUS: u32 = 1023;
/// An SPI that the tests give to no partition.
const NOT_OWNED: u32 = 200;

static ORDER: [AtomicU32; 64] = [const { AtomicU32::new(SPURIOUS) }; 64];
static TAKEN: AtomicUsize = AtomicUsize::new(0);
static ACTIVE: AtomicBool = AtomicBool::new(false);

/// Records an interrupt that has been taken, and whether it is active in its handler.
pub fn record(interrupt: Interrupt) {
    ACTIVE.store(gic::bit(gic::ISACTIVER, interrupt.intid), Ordering::Relaxed);
    let index = TAKEN.fetch_add(1, Ordering::Relaxed);
    if let Some(slot) = ORDER.get(index) {
        slot.store(interrupt.intid, Ordering::Relaxed);
    }
}

/// Unmasks interrupts until `count` have been taken, and for a while more. Returns how many were
/// taken, and the first `N` in their order.
pub fn taken<const N: usize>(count: usize) -> (usize, [u32; N]) {
    cpu::unmask_interrupts();
    timer::within(LIMIT_US, || TAKEN.load(Ordering::Relaxed) >= count);
    timer::within(200, || false);
    cpu::mask_interrupts();
    let mut order = [SPURIOUS; N];
    for (slot, intid) in order.iter_mut().zip(&ORDER) {
        *slot = intid.swap(SPURIOUS, Ordering::Relaxed);
    }
    (TAKEN.swap(0, Ordering::Relaxed), order)
}

/// Runs the checks.
pub fn check() {
    let uart = machine().uart_interrupt;
    let timer = machine().virtual_timer;
    for (name, intid) in [("enable-private", timer), ("enable-shared", uart)] {
        gic::enable(intid);
        let on = gic::bit(gic::ISENABLER, intid);
        gic::disable(intid);
        report(name, (on, gic::bit(gic::ICENABLER, intid)), (true, false));
    }
    priorities(uart);
    pending("private", timer);
    pending("shared", uart);
    order();
    many();
    report("spurious", gic::acknowledge(), None);
    if in_partition() {
        not_owned();
    }
}

fn priorities(intid: u32) {
    gic::set_priority(intid, 0x40);
    let register = gic::frame(intid) + gic::IPRIORITYR + u64::from(intid & !3);
    // SAFETY: a register of the interrupt controller; reading it has no effect.
    let word = unsafe { mmio::read32(register) };
    gic::set_priority(intid, gic::PRIORITY);
    report("priority", word >> (intid % 4 * 8) & 0xff, 0x40);
}

/// Checks an interrupt that is made pending by software: it is not taken while disabled, taken once
/// when enabled, and active in its handler.
fn pending(name: &str, intid: u32) {
    gic::set_bit(gic::ISPENDR, intid);
    let set = gic::bit(gic::ISPENDR, intid);
    gic::set_bit(gic::ICPENDR, intid);
    report(
        format_args!("pending-set-clear-{name}"),
        (set, gic::bit(gic::ISPENDR, intid)),
        (true, false),
    );
    report(format_args!("cleared-not-taken-{name}"), taken::<1>(0), (0, [SPURIOUS]));

    gic::set_bit(gic::ISPENDR, intid);
    report(format_args!("disabled-not-taken-{name}"), taken::<1>(0), (0, [SPURIOUS]));
    gic::enable(intid);
    report(format_args!("pending-taken-{name}"), taken::<1>(1), (1, [intid]));
    report(format_args!("active-in-handler-{name}"), ACTIVE.load(Ordering::Relaxed), true);
    let states = (gic::bit(gic::ISPENDR, intid), gic::bit(gic::ISACTIVER, intid));
    report(format_args!("idle-after-{name}"), states, (false, false));
    gic::disable(intid);
}

/// Checks that the most urgent interrupt is taken first, not the one sent first.
fn order() {
    for (intid, priority) in [(1, 0xa0), (2, 0x80), (3, 0x90)] {
        gic::set_priority(intid, priority);
        gic::enable(intid);
        gic::send(intid, Target::Own);
    }
    report("priority-order", taken(3), (3, [2, 3, 1]));
    (1..=3).for_each(|intid| gic::set_priority(intid, gic::PRIORITY));
}

/// Checks that each of more interrupts than there are list registers is taken once.
fn many() {
    (0..16).for_each(gic::enable);
    (0..16).rev().for_each(|intid| gic::send(intid, Target::Own));
    let (count, order) = taken::<16>(16);
    let all = order.iter().fold(0_u32, |seen, &intid| seen | 1 << (intid % 32));
    report("sixteen-pending", (count, all), (16, 0xffff));
}

/// Checks that registers of an interrupt that the partition does not own read as zero and ignore
/// writes.
fn not_owned() {
    gic::set_bit(gic::ISENABLER, NOT_OWNED);
    gic::set_bit(gic::ISPENDR, NOT_OWNED);
    gic::set_priority(NOT_OWNED, 0x40);
    let enabled = gic::bit(gic::ISENABLER, NOT_OWNED);
    let pending = gic::bit(gic::ISPENDR, NOT_OWNED);
    report("not-owned", (enabled, pending), (false, false));
    report("uart-unaffected", pl011::read(pl011::FR) & pl011::TXFF, 0);
}
