//! What a guest loads and stores.

use std::vec;

use super::super::registers::{
    BAR, CAPABILITIES, COMMAND, COMMAND_INTX_DISABLE, COMMAND_MASTER, COMMAND_MEMORY, HEADER,
    INTERRUPT, ROM,
};
use super::super::{Address, BARS, BarRule, ConfigurationSpace, Function, REGISTERS, Rule, View};
use super::{Buses, Model, Random};

/// The window of the partition.
const WINDOW: (u64, u64) = (0x1002_0000, 0x2_4000);
const WINDOW_END: u64 = WINDOW.0 + WINDOW.1;
const ADDRESS: Address = Address::new(0, 3, 0);

/// A function with memory of 128 KiB at register 0, of 16 KiB with 64 bits at registers 2 and 3.
fn view() -> View {
    let mut view = View { rules: [Rule::Fixed(0); REGISTERS], bars: [BarRule::default(); BARS] };
    let as_it_is = Rule::Hardware { mask: 0, value: 0 };
    view.rules[0] = as_it_is;
    view.rules[1] = Rule::Command;
    view.rules[3] = Rule::Hardware { mask: 1 << 23, value: 0 };
    for bar in 0..6 {
        view.rules[4 + usize::from(bar)] = Rule::Bar(bar);
    }
    view.rules[usize::from(INTERRUPT / 4)] = Rule::Interrupt;
    view.bars[0] = BarRule {
        writable: 0xfffe_0000,
        flags: 8,
        size: 0x2_0000,
        is_wide: false,
        start: 0x1002_0008,
    };
    view.bars[2] = BarRule {
        writable: 0xffff_c000,
        flags: 4,
        size: 0x4000,
        is_wide: true,
        start: 0x1004_0004,
    };
    view.bars[3] = BarRule { writable: u32::MAX, ..BarRule::default() };
    view
}

fn hardware() -> Buses {
    let mut model = Model::new(3, 0, 0x10d3_8086)
        .with(HEADER, 1 << 23 | 0x10)
        .with(COMMAND, 0x0010_0000)
        .with(INTERRUPT, 0x0f02_01aa);
    for bar in 0..6 {
        model = model.writable(BAR + 4 * bar, u32::MAX);
    }
    Buses::new(vec![model])
}

fn function() -> Function {
    Function::new(ADDRESS, view(), WINDOW)
}

#[test]
fn identity_and_status_are_the_hardwares() {
    let (hardware, mut function) = (hardware(), function());
    for (offset, value) in [(0, 0), (2, 0xffff), (HEADER, u64::MAX), (0x40, 1), (0x100, 1)] {
        function.store(offset, 4, value, &hardware);
    }
    assert!(hardware.written.borrow().is_empty());
    assert_eq!(function.load(0, 4, &hardware), 0x10d3_8086);
    assert_eq!(function.load(2, 2, &hardware), 0x10d3);
    assert_eq!(function.load(3, 1, &hardware), 0x10);
    assert_eq!(function.load(COMMAND, 4, &hardware), 0x0010_0000);
    assert_eq!(function.load(HEADER, 4, &hardware), 0x10);
    for offset in [ROM, CAPABILITIES, 0x40, 0xfc, 0x100, 0xffc] {
        assert_eq!(function.load(offset, 4, &hardware), 0, "{offset:#x}");
    }
    // Interrupt Line keeps what is stored, and the pin is the hardware's.
    function.store(INTERRUPT, 4, 0xffff_ff07, &hardware);
    assert_eq!(function.load(INTERRUPT, 4, &hardware), 0x0107);
}

#[test]
fn accesses_within_no_register_read_as_ones_and_have_no_effect() {
    let (hardware, mut function) = (hardware(), function());
    for (offset, size) in [(0, 8), (1, 4), (2, 4), (3, 2), (0, 3)] {
        assert_eq!(function.load(offset, size, &hardware), u64::MAX);
        function.store(offset + COMMAND, size, u64::MAX, &hardware);
    }
    assert!(hardware.written.borrow().is_empty());
    function.set_absent(true);
    function.store(COMMAND, 2, 6, &hardware);
    assert_eq!(function.load(0, 4, &hardware), u64::MAX);
    assert!(hardware.written.borrow().is_empty());
}

#[test]
fn base_address_registers_tell_their_sizes_and_reach_hardware_with_memory_decoding() {
    let (hardware, mut function) = (hardware(), function());
    let size = |function: &mut Function, bar: u16| {
        let before = function.load(BAR + 4 * bar, 4, &hardware);
        function.store(BAR + 4 * bar, 4, 0xffff_ffff, &hardware);
        let size = function.load(BAR + 4 * bar, 4, &hardware);
        function.store(BAR + 4 * bar, 4, before, &hardware);
        (before, size)
    };
    assert_eq!(size(&mut function, 0), (0x1002_0008, 0xfffe_0008));
    assert_eq!(size(&mut function, 1), (0, 0));
    assert_eq!(size(&mut function, 2), (0x1004_0004, 0xffff_c004));
    assert_eq!(size(&mut function, 3), (0, 0xffff_ffff));
    assert!(hardware.written.borrow().is_empty());
    function.store(COMMAND, 2, 0xffff, &hardware);
    let bits = COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_DISABLE;
    assert_eq!(function.load(COMMAND, 2, &hardware), bits.into());
    assert_eq!(hardware.value(0, COMMAND) & 0xffff, bits);
    let bars = [0, 1, 2, 3].map(|bar| hardware.value(0, BAR + 4 * bar));
    assert_eq!(bars, [0x1002_0008, 0, 0x1004_0004, 0]);
}

#[test]
fn memory_is_not_decoded_outside_of_the_window() {
    let first = WINDOW.0 as u32;
    let last = (WINDOW_END - 0x4000) as u32;
    for (bar, value, high, is_decoded) in [
        (0, first, 0, true),
        (0, first - 0x2_0000, 0, false),
        (0, first + 0x2_0000, 0, false),
        (0, 0, 0, false),
        (0, 0x0800_0000, 0, false),
        (2, last, 0, true),
        (2, last + 0x4000, 0, false),
        (2, last, 1, false),
        (2, 0xffff_c000, 0xffff_ffff, false),
    ] {
        let (hardware, mut function) = (hardware(), function());
        let stores = |function: &mut Function| {
            function.store(BAR + 4 * bar, 4, value.into(), &hardware);
            if bar == 2 {
                function.store(BAR + 12, 4, high, &hardware);
            }
        };
        let decodes = || hardware.value(0, COMMAND) & COMMAND_MEMORY != 0;
        stores(&mut function);
        function.store(COMMAND, 2, COMMAND_MEMORY.into(), &hardware);
        assert_eq!(decodes(), is_decoded, "{bar} {value:#x}");
        // The same while memory is decoded.
        let (other, mut function) = (super::function::hardware(), super::function::function());
        function.store(COMMAND, 2, COMMAND_MEMORY.into(), &other);
        function.store(BAR + 4 * bar, 4, value.into(), &other);
        if bar == 2 {
            function.store(BAR + 12, 4, high, &other);
        }
        assert_eq!(other.value(0, COMMAND) & COMMAND_MEMORY != 0, is_decoded, "{bar} {value:#x}");
    }
}

/// Whatever a guest stores, only Command and the Base Address Registers of the hardware change, and
/// it decodes nothing outside of the window, not for a moment.
#[test]
fn stores_at_random_never_decode_an_address_outside_of_the_window() {
    let (hardware, mut function) = (hardware(), function());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut decoded, mut refused) = (0, 0);
    let mut model = [0_u32; 7];
    for _ in 0..200_000 {
        let offset = match random.next() % 4 {
            0 => COMMAND,
            1 | 2 => BAR + (random.next() % 24) as u16,
            _ => (random.next() % 4096) as u16,
        };
        let value = match random.next() % 4 {
            0 => random.next(),
            1 => WINDOW.0.wrapping_add(random.next() % (2 * WINDOW.1)),
            2 => 0,
            _ => COMMAND_MEMORY.into(),
        };
        let size = 1 << (random.next() % 4);
        // Often what is in the window, so that memory is decoded.
        let good = [(BAR, WINDOW.0), (BAR + 8, WINDOW_END - 0x4000), (BAR + 12, 0), (COMMAND, 2)];
        let (offset, size, value) = match random.next() % 8 {
            good_one @ 0..4 => (good[good_one as usize].0, 4, good[good_one as usize].1),
            _ => (offset, size, value),
        };
        function.store(offset, size, value, &hardware);
        function.load(offset, size, &hardware);
        // The writes one after the other, as the hardware sees them.
        for (address, offset, value) in hardware.written.borrow_mut().drain(..) {
            assert_eq!(address, ADDRESS);
            let index = match offset {
                COMMAND => 6,
                BAR..0x28 => usize::from(offset - BAR) / 4,
                _ => panic!("{offset:#x} is written"),
            };
            model[index] = value;
            assert_eq!(model[6] & !(COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_DISABLE), 0);
            if model[6] & COMMAND_MEMORY == 0 {
                refused += 1;
                continue;
            }
            decoded += 1;
            let wide = u64::from(model[3]) << 32 | u64::from(model[2] & !0xf);
            for (start, size) in [(u64::from(model[0] & !0xf), 0x2_0000), (wide, 0x4000)] {
                assert!(start >= WINDOW.0 && start + size <= WINDOW_END, "{start:#x}");
            }
        }
    }
    assert!(decoded > 100 && refused > 1000, "{decoded} decoded, {refused} refused");
}

#[test]
fn a_silent_function_has_no_access_and_a_reset_one_begins_anew() {
    let (hardware, mut function) = (hardware(), function());
    function.store(BAR, 4, 0, &hardware);
    function.store(INTERRUPT, 1, 5, &hardware);
    function.store(COMMAND, 2, 6, &hardware);
    function.silence(&hardware);
    assert_eq!(hardware.read(ADDRESS, COMMAND) & 0xffff, COMMAND_INTX_DISABLE);
    function.reset();
    assert_eq!(function.load(COMMAND, 2, &hardware), 0);
    assert_eq!(function.load(BAR, 4, &hardware), 0x1002_0008);
    assert_eq!(function.load(INTERRUPT, 1, &hardware), 0);
}
