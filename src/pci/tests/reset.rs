//! Resets.

use std::vec;

use super::super::registers::{ADVANCED_PENDING, COMMAND, DEVICE_PENDING, ID};
use super::super::{Address, Progress, Reset, ResetMethod, port};
use super::{Buses, Model};

const ADDRESS: Address = Address::new(0, 1, 0);
/// Ticks of a millisecond.
const MS: u64 = 1000;

fn written(hardware: &Buses) -> vec::Vec<(u16, u32)> {
    hardware.written.borrow_mut().drain(..).map(|(_, offset, value)| (offset, value)).collect()
}

#[test]
fn a_reset_waits_for_completions_and_for_the_function() {
    for (method, control, pending, initiate) in [
        (ResetMethod::Express(0x80), 0x88, DEVICE_PENDING, 0x2810 | 1 << 15),
        (ResetMethod::Advanced(0x60), 0x64, ADVANCED_PENDING, 0x2810 | ADVANCED_PENDING | 1),
    ] {
        let model = Model::new(1, 0, 0x10_1b36).with(control, 0xf_2810 & !pending | pending);
        let hardware = Buses::new(vec![model]);
        let mut reset = Reset::new(ADDRESS, method);
        let mut step = |now| reset.step(now, MS, &hardware);
        assert_eq!(step(5), Progress::Pending);
        assert_eq!(step(50 * MS), Progress::Pending);
        assert_eq!(written(&hardware), []);
        // After 100 ms it is reset nevertheless.
        assert_eq!(step(5 + 100 * MS), Progress::Pending);
        let [(at, value)] = written(&hardware)[..] else { panic!() };
        assert_eq!((at, value), (control, initiate), "{method:?}");
        hardware.is_silent.set(true);
        assert_eq!(step(5 + 199 * MS), Progress::Pending);
        assert_eq!(step(5 + 201 * MS), Progress::Pending);
        hardware.is_silent.set(false);
        assert_eq!(step(5 + 250 * MS), Progress::Done);
        assert_eq!(step(5 + 251 * MS), Progress::Done);
        assert_eq!(written(&hardware), []);
    }
}

#[test]
fn a_function_without_pending_transactions_is_reset_at_once() {
    let hardware = Buses::new(vec![Model::new(1, 0, 0x10_1b36)]);
    let mut reset = Reset::new(ADDRESS, ResetMethod::Express(0x80));
    for _ in 0..2 {
        assert_eq!(reset.step(0, MS, &hardware), Progress::Pending);
        assert_eq!(reset.step(0, MS, &hardware), Progress::Pending);
        assert_eq!(written(&hardware), [(0x88, 1 << 15)]);
        assert_eq!(reset.step(100 * MS, MS, &hardware), Progress::Done);
        reset.restart();
    }
}

#[test]
fn a_bus_is_held_in_reset_for_2_ms() {
    let port = Model::bridge(2).with(0x3c, 0x0003_01ff).writable(0x3c, 0xffff_00ff);
    let hardware = Buses::new(vec![Model::new(1, 0, 0x10_1b36), port]);
    let mut reset = Reset::new(ADDRESS, ResetMethod::Bus(Address::new(0, 2, 0)));
    let mut step = |now| reset.step(now, MS, &hardware);
    assert_eq!((step(0), step(0)), (Progress::Pending, Progress::Pending));
    assert_eq!(hardware.value(1, 0x3c), 0x0043_01ff);
    assert_eq!(step(2 * MS - 1), Progress::Pending);
    assert_eq!(hardware.value(1, 0x3c), 0x0043_01ff);
    assert_eq!(step(2 * MS), Progress::Pending);
    assert_eq!(hardware.value(1, 0x3c), 0x0003_01ff);
    assert_eq!(step(102 * MS - 1), Progress::Pending);
    assert_eq!(step(102 * MS), Progress::Done);
    assert_eq!(written(&hardware).len(), 2);
}

#[test]
fn a_port_forwards_the_window_and_nothing_else() {
    let mut port = Model::bridge(2);
    for offset in [0x1c, 0x20, 0x24] {
        port = port.writable(offset, u32::MAX);
    }
    let hardware = Buses::new(vec![port]);
    port::open(Address::new(0, 2, 0), (0x1010_0000, 0x20_0000), &hardware);
    let values = [0x1c, 0x20, 0x24].map(|offset| hardware.value(0, offset));
    assert_eq!(values, [0xf0, 0x1020_1010, 0xfff0]);
    assert_eq!(hardware.value(0, COMMAND) & 0xffff, 0x406);
}

#[test]
fn a_function_that_does_not_answer_or_cannot_be_reset_has_failed() {
    let hardware = Buses::new(vec![Model::new(1, 0, 0x10_1b36)]);
    let mut reset = Reset::new(ADDRESS, ResetMethod::Express(0x80));
    for _ in 0..2 {
        assert_eq!(reset.step(0, MS, &hardware), Progress::Pending);
    }
    // It asks for more time (PCIe 2.3.2), then for nothing.
    hardware.functions.borrow_mut()[0].values[usize::from(ID)] = 0xffff_0001;
    assert_eq!(reset.step(999 * MS, MS, &hardware), Progress::Pending);
    assert_eq!(reset.step(1000 * MS, MS, &hardware), Progress::Failed);
    let mut none = Reset::new(ADDRESS, ResetMethod::None);
    written(&hardware);
    assert_eq!(none.step(0, MS, &hardware), Progress::Failed);
    assert_eq!(written(&hardware), []);
}
