//! The PL011, as drivers use it and under any sequence of accesses.

use super::*;
use proptest::prelude::*;
use std::vec::Vec;

const RX: u64 = INTERRUPT_RX as u64;
const TX: u64 = INTERRUPT_TX as u64;
const RT: u64 = INTERRUPT_RT as u64;

impl Pl011 {
    fn get(&mut self, offset: u64) -> u64 {
        self.read(offset)
    }

    fn set(&mut self, offset: u64, value: u64) {
        self.write(offset, value);
    }

    fn flag(&mut self, flag: u32) -> bool {
        self.get(FR) as u32 & flag != 0
    }

    /// Transmits to a console with room for `room` bytes, and returns what it takes.
    fn drain(&mut self, room: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.transmit(&mut |byte| {
            if bytes.len() == room {
                return Err(Full);
            }
            bytes.push(byte);
            Ok(())
        });
        bytes
    }

    fn type_in(&mut self, text: &[u8]) {
        for &byte in text {
            assert_eq!(self.receive(byte), Ok(()));
        }
    }
}

/// A PL011 whose driver has turned the FIFOs on.
fn with_fifos() -> Pl011 {
    let mut uart = Pl011::default();
    uart.set(LCR_H, 0x70);
    uart
}

/// DDI 0183G, table 3-1, but for the line's settings and the enable bit, which stand for what
/// firmware leaves.
#[test]
fn registers_start_with_the_values_of_a_reset() {
    let mut uart = Pl011::default();
    for (offset, value) in [
        (0x04, 0),          // UARTRSR
        (FR, 0x90 | 0b111), // TXFE, RXFE; modem lines are inputs
        (ILPR, 0),
        (0x24, 13),    // IBRD, 0 after a reset
        (0x28, 1),     // FBRD, 0 after a reset
        (LCR_H, 0x60), // 8 bits, 5 after a reset; no FIFOs
        (CR, 0x301),   // 0x300 after a reset
        (IFLS, 0x12),
        (IMSC, 0),
        (RIS, 0),
        (MIS, 0),
        (DMACR, 0),
    ] {
        assert_eq!(uart.get(offset), value, "{offset:#x}");
    }
}

#[test]
fn a_polling_driver_works_without_initialisation() {
    let mut uart = Pl011::default();
    for &byte in b"hello" {
        assert!(!uart.flag(FR_TXFF));
        uart.write(DR, byte.into());
        assert_eq!(uart.drain(8), [byte]);
        assert!(uart.flag(FR_TXFE) && !uart.flag(FR_BUSY));
    }
    assert!(uart.flag(FR_RXFE));
    uart.type_in(b"x");
    assert!(!uart.flag(FR_RXFE));
    assert_eq!((uart.read(DR), uart.flag(FR_RXFE)), (b'x'.into(), true));
    assert!(!uart.interrupt_line());
}

#[test]
fn identification_is_that_of_revision_r1p5() {
    let mut uart = Pl011::default();
    let ids = [0, 4, 8, 12, 16, 20, 24, 28].map(|at| uart.get(0xfe0 + at));
    let word = |bytes: &[u64]| bytes.iter().rev().fold(0, |word, byte| word << 8 | byte);
    assert_eq!((word(&ids[..4]), word(&ids[4..])), (0x0034_1011, 0xb105_f00d));
    assert_eq!((uart.get(0xfe2), uart.get(0xfdc), uart.get(0x1000)), (0, 0, 0));
}

#[test]
fn a_full_console_sets_busy_and_the_interrupt_comes_at_the_level() {
    let mut uart = with_fifos();
    uart.set(IMSC, TX);
    assert!(!uart.interrupt_line(), "nothing was sent yet");
    for byte in 0..32 {
        assert!(!uart.flag(FR_TXFF));
        uart.set(DR, byte);
        assert!(uart.drain(0).is_empty());
    }
    assert!(uart.flag(FR_TXFF) && uart.flag(FR_BUSY) && !uart.flag(FR_TXFE));
    uart.set(DR, 99);
    assert_eq!(uart.drain(15), (0..15).collect::<Vec<u8>>());
    assert!(!uart.flag(FR_TXFF) && !uart.interrupt_line(), "17 are left");
    assert_eq!(uart.drain(1), [15]);
    assert!(uart.interrupt_line(), "half are left");
    uart.set(DR, 32);
    assert!(!uart.interrupt_line(), "17 again");
    assert_eq!(uart.drain(99), (16..33).collect::<Vec<u8>>());
    assert_eq!((uart.get(RIS), uart.get(MIS)), (TX, TX));
    uart.set(ICR, TX);
    assert!(!uart.interrupt_line() && uart.drain(99).is_empty());
    assert!(!uart.interrupt_line(), "no byte has left since");
}

#[test]
fn without_fifos_each_byte_raises_an_interrupt() {
    let mut uart = Pl011::default();
    uart.set(LCR_H, 0x60);
    uart.set(IMSC, TX | RX | RT);
    uart.set(DR, 1);
    assert!(uart.flag(FR_TXFF));
    uart.set(DR, 2);
    assert!(uart.drain(0).is_empty());
    assert!(!uart.interrupt_line());
    assert_eq!(uart.drain(9), [1]);
    assert_eq!(uart.get(MIS), TX);
    uart.type_in(b"a");
    assert!(uart.flag(FR_RXFF));
    assert_eq!((uart.receive(b'b'), uart.get(MIS)), (Err(Full), TX | RX));
    assert_eq!((uart.get(DR), uart.get(MIS)), (b'a'.into(), TX));
}

#[test]
fn interrupts_are_raised_at_the_levels_of_ifls() {
    for (select, level) in [(0, 4), (1, 8), (2, 16), (3, 24), (4, 28), (7, 28)] {
        let mut uart = with_fifos();
        uart.set(IFLS, select << 3 | select);
        for received in 1..=32 {
            uart.type_in(b"x");
            assert_eq!(uart.get(RIS) & RX != 0, received >= level, "{select} {received}");
            assert_eq!(uart.get(RIS) & RT != 0, level > 1, "{select} {received}");
        }
        for left in (0..32).rev() {
            uart.get(DR);
            assert_eq!(uart.get(RIS) & RX != 0, left >= level, "{select} {left}");
            assert_eq!(uart.get(RIS) & RT != 0, left > 0, "{select} {left}");
        }
        (0..32).for_each(|byte| uart.set(DR, byte));
        for left in (0..32).rev() {
            uart.drain(1);
            assert_eq!(uart.get(RIS) & TX != 0, left <= level, "{select} {left}");
        }
    }
}

#[test]
fn bytes_left_unread_raise_the_interrupt_again() {
    let mut uart = with_fifos();
    uart.set(IMSC, RX | RT);
    uart.type_in(b"abc");
    uart.set(ICR, RT);
    assert!(!uart.interrupt_line());
    uart.get(DR);
    assert_eq!(uart.get(MIS), RT);
    uart.set(ICR, RT);
    uart.set(IFLS, 0);
    assert_eq!(uart.get(MIS), RT, "2 of 4");
    uart.get(DR);
    uart.get(DR);
    assert!(!uart.interrupt_line());
}

#[test]
fn a_disabled_uart_neither_sends_nor_receives() {
    for control in [0, 0x001, 0x300] {
        let mut uart = Pl011::default();
        uart.set(CR, control);
        uart.set(DR, 7);
        uart.type_in(b"x");
        assert!(uart.drain(9).is_empty() && uart.flag(FR_BUSY) && uart.flag(FR_RXFE));
        uart.set(CR, 0x301);
        assert_eq!(uart.drain(9), [7]);
    }
}

#[test]
fn disabling_the_fifos_drops_input_and_keeps_output() {
    let mut uart = with_fifos();
    uart.set(IMSC, 0x7ff);
    uart.type_in(b"abc");
    (1..4).for_each(|byte| uart.set(DR, byte));
    uart.set(LCR_H, 0x60);
    assert!(uart.flag(FR_RXFE) && uart.flag(FR_TXFF) && !uart.interrupt_line());
    assert_eq!(uart.drain(9), [1, 2, 3]);
}

#[test]
fn registers_read_back_the_bits_that_exist() {
    let mut uart = Pl011::default();
    for (offset, bits) in [
        (ILPR, 0xff),
        (0x24, 0xffff),
        (0x28, 0x3f),
        (LCR_H, 0xff),
        (CR, 0xff07),
        (IFLS, 0x3f),
        (IMSC, 0x7ff),
        (DMACR, 0x7),
        (ICR, 0),
        (0x80, 0),
    ] {
        uart.write(offset, u64::MAX);
        assert_eq!(uart.get(offset), bits, "{offset:#x}");
    }
}

proptest! {
    /// Whatever a guest does, each byte that is written while FR reports room comes out, and the
    /// interrupt's level is that of MIS.
    #[test]
    fn no_byte_that_fits_is_lost(
        steps in prop::collection::vec(
            (prop_oneof![Just(0_u64), 0..0x50_u64, any::<u64>()], any::<u64>(), 0..9_usize),
            0..300,
        ),
    ) {
        let mut uart = Pl011::default();
        let (mut written, mut sent) = (Vec::new(), Vec::new());
        for (offset, value, room) in steps {
            if offset == DR && !uart.flag(FR_TXFF) {
                written.push(value as u8);
            }
            uart.write(offset, value);
            sent.extend(uart.drain(room));
            let _ = uart.receive(value as u8);
            uart.read(offset);
            prop_assert_eq!(uart.interrupt_line(), uart.get(MIS) != 0);
        }
        uart.set(CR, 0x301);
        sent.extend(uart.drain(usize::MAX));
        prop_assert_eq!(written, sent);
    }

    /// `pass` and `idle_flags` do what a write, a transmission and a read do, and leave the
    /// interrupt low.
    #[test]
    fn fast_paths_do_what_the_slow_ones_do(
        steps in prop::collection::vec(
            (
                prop_oneof![5 => Just(DR), 1 => 0..0x13_u64],
                prop_oneof![any::<u64>(), Just(0x301), Just(TX), Just(0)],
                0..3_usize,
                any::<bool>(),
            ),
            0..200,
        ),
    ) {
        let (mut fast, mut slow) = (Pl011::default(), Pl011::default());
        let mut passed = Vec::new();
        for (offset, value, room, typed) in steps {
            let offset = if offset == DR { DR } else { offset * 4 };
            let line = fast.interrupt_line();
            passed.clear();
            let sink = |byte| {
                passed.extend(Some(byte).filter(|_| room > 0));
                room > 0
            };
            slow.write(offset, value);
            let sent = slow.drain(room);
            if offset == DR && fast.pass(value as u8, sink) {
                prop_assert_eq!(&passed, &sent);
                prop_assert!(!line && !fast.interrupt_line());
            } else {
                prop_assert!(passed.is_empty());
                fast.write(offset, value);
                prop_assert_eq!(fast.drain(room), sent);
            }
            if typed {
                prop_assert_eq!(fast.receive(value as u8), slow.receive(value as u8));
            }
            for offset in (FR..=DMACR).step_by(4) {
                prop_assert_eq!(fast.read(offset), slow.read(offset));
            }
            if let Some(flags) = fast.idle_flags() {
                prop_assert_eq!(u64::from(flags), slow.read(FR));
                prop_assert!(!slow.is_busy() && !slow.interrupt_line());
            }
        }
    }

    /// What was reported last is the line's level, and each high level is reported.
    #[test]
    fn the_line_is_reported_while_it_is_high_and_when_it_falls(
        steps in prop::collection::vec((0..0x13_u64, any::<u64>()), 0..200),
    ) {
        let (mut uart, mut reported) = (Pl011::default(), false);
        for (offset, value) in steps {
            uart.access(offset * 4, Some(value).filter(|value| value & 1 != 0));
            let _ = uart.receive(value as u8);
            uart.drain(1);
            let line = uart.interrupt_line();
            let changed = uart.changed_line();
            prop_assert_eq!(changed, Some(line).filter(|_| line || reported));
            reported = changed.unwrap_or(reported);
            prop_assert_eq!(reported, line);
        }
    }
}

#[test]
fn a_polled_console_takes_the_fast_paths() {
    let mut uart = Pl011::default();
    for byte in 0..100 {
        assert_eq!(uart.idle_flags().map(u64::from), Some(uart.read(FR)));
        assert!(uart.pass(byte, |_| true));
    }
    uart.set(IMSC, TX);
    assert_eq!((uart.idle_flags(), uart.pass(b'x', |_| true)), (None, false));
}

/// A peer that takes `room` bytes, and makes room for as many as it is asked for.
#[derive(Default)]
struct Echo {
    room: usize,
    held: std::collections::VecDeque<u8>,
    asked: usize,
}

impl Peer for Echo {
    fn put(&mut self, byte: u8) -> Result<(), Full> {
        self.room = self.room.checked_sub(1).ok_or(Full)?;
        self.held.push_back(byte);
        Ok(())
    }

    fn take(&mut self) -> Option<u8> {
        self.asked += 1;
        let byte = self.held.pop_front()?;
        self.room += 1;
        Some(byte)
    }
}

#[test]
fn as_a_device_it_exchanges_bytes_with_its_peer() {
    let mut peer = Echo { room: 2, ..Echo::default() };
    let mut uart = with_fifos();
    let data = Offset::new(DR);
    for byte in 0..3 {
        Device::write(&mut uart, data, byte, &mut Env { now: 0, peer: &mut peer });
    }
    assert_eq!(uart.receive_fifo.len(), 3, "each comes back at once");
    let mut env = Env { now: 0, peer: &mut peer };
    let read = [0; 4].map(|_| Device::read(&mut uart, data, &mut env));
    assert_eq!(read, [0, 1, 2, 0]);
    uart.set(CR, 0x101);
    (0..9).for_each(|byte| uart.set(DR, byte));
    uart.poll(&mut env);
    assert!(!uart.is_busy(), "a peer that has room again gets the rest");
    uart.set(CR, 0x301);
    Device::write(&mut uart, Offset::new(LCR_H), 0x60, &mut env);
    env.peer.put(b'a').unwrap();
    env.peer.put(b'b').unwrap();
    uart.poll(&mut env);
    let asked = peer.asked;
    uart.poll(&mut Env { now: 0, peer: &mut peer });
    assert_eq!((peer.asked, peer.held.len()), (asked, 1), "the FIFO has no room");
    Device::write(&mut uart, Offset::new(IMSC), RX, &mut Env { now: 0, peer: &mut peer });
    assert!(uart.line());
    uart.reset();
    assert!(!uart.line() && uart.flag(FR_RXFE));
}
