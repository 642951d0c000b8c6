use super::*;
use proptest::prelude::*;
use std::vec::Vec;

const RX: u64 = 1 << 4;
const TX: u64 = 1 << 5;
const RT: u64 = 1 << 6;
const OE: u64 = 1 << 10;

impl Pl011 {
    fn get(&mut self, offset: u64) -> u64 {
        self.read(offset, 4)
    }

    fn set(&mut self, offset: u64, value: u64) {
        self.write(offset, 4, value);
    }

    fn flag(&mut self, flag: Field<u32, FR::Register>) -> bool {
        flag.is_set(self.get(offset::FR) as u32)
    }

    /// A console that has room for `room` bytes: what it got.
    fn drain(&mut self, room: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.transmit(|byte| {
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

#[test]
fn a_polling_driver_needs_no_set_up() {
    let mut uart = Pl011::new();
    for &byte in b"hello" {
        assert!(!uart.flag(FR::TXFF));
        uart.write(offset::DR, 1, byte.into());
        assert_eq!(uart.drain(8), [byte]);
        assert!(uart.flag(FR::TXFE) && !uart.flag(FR::BUSY));
    }
    assert!(uart.flag(FR::RXFE));
    uart.type_in(b"x");
    assert!(!uart.flag(FR::RXFE));
    assert_eq!((uart.read(offset::DR, 1), uart.flag(FR::RXFE)), (b'x'.into(), true));
    assert!(!uart.interrupt_line());
}

#[test]
fn it_is_an_r1p5_with_an_arm_primecell_id() {
    let mut uart = Pl011::new();
    let ids = [0, 4, 8, 12, 16, 20, 24, 28].map(|at| uart.get(0xfe0 + at));
    let word = |bytes: &[u64]| bytes.iter().rev().fold(0, |word, byte| word << 8 | byte);
    assert_eq!((word(&ids[..4]), word(&ids[4..])), (0x0034_1011, 0xb105_f00d));
    assert_eq!((uart.get(0xfe2), uart.get(0xfdc), uart.get(0x1000)), (0, 0, 0));
}

#[test]
fn a_full_console_makes_the_uart_busy_and_then_interrupts() {
    let mut uart = Pl011::new();
    uart.set(offset::IMSC, TX);
    assert!(!uart.interrupt_line(), "nothing was sent yet");
    for byte in 0..32 {
        assert!(!uart.flag(FR::TXFF));
        uart.set(offset::DR, byte);
        assert_eq!(uart.drain(0), []);
    }
    assert!(uart.flag(FR::TXFF) && uart.flag(FR::BUSY) && !uart.flag(FR::TXFE));
    uart.set(offset::DR, 99);
    assert_eq!(uart.drain(15), (0..15).collect::<Vec<u8>>());
    assert!(!uart.flag(FR::TXFF) && !uart.interrupt_line(), "17 are left");
    assert_eq!(uart.drain(1), [15]);
    assert!(uart.interrupt_line(), "half are left");
    uart.set(offset::DR, 32);
    assert!(!uart.interrupt_line(), "17 again");
    assert_eq!(uart.drain(99), (16..33).collect::<Vec<u8>>());
    assert_eq!((uart.get(offset::RIS), uart.get(offset::MIS)), (TX, TX));
    uart.set(offset::ICR, TX);
    assert!(!uart.interrupt_line() && uart.drain(99).is_empty());
    assert!(!uart.interrupt_line(), "no byte has left since");
}

#[test]
fn without_fifos_every_byte_is_its_own() {
    let mut uart = Pl011::new();
    uart.set(offset::LCR_H, 0x60);
    uart.set(offset::IMSC, TX | RX | RT);
    uart.set(offset::DR, 1);
    assert!(uart.flag(FR::TXFF));
    uart.set(offset::DR, 2);
    assert_eq!(uart.drain(0), []);
    assert!(!uart.interrupt_line());
    assert_eq!(uart.drain(9), [1]);
    assert_eq!(uart.get(offset::MIS), TX);
    uart.type_in(b"a");
    assert!(uart.flag(FR::RXFF));
    assert_eq!((uart.receive(b'b'), uart.get(offset::MIS)), (Err(Full), TX | RX));
    assert_eq!((uart.get(offset::DR), uart.get(offset::MIS)), (b'a'.into(), TX));
}

#[test]
fn levels_are_those_of_ifls() {
    for (select, level) in [(0, 4), (1, 8), (2, 16), (3, 24), (4, 28), (7, 28)] {
        let mut uart = Pl011::new();
        uart.set(offset::IFLS, select << 3 | select);
        for received in 1..=32 {
            uart.type_in(b"x");
            assert_eq!(uart.get(offset::RIS) & RX != 0, received >= level, "{select} {received}");
            assert_eq!(uart.get(offset::RIS) & RT != 0, level > 1, "{select} {received}");
        }
        for left in (0..32).rev() {
            uart.get(offset::DR);
            assert_eq!(uart.get(offset::RIS) & RX != 0, left >= level, "{select} {left}");
            assert_eq!(uart.get(offset::RIS) & RT != 0, left > 0, "{select} {left}");
        }
        (0..32).for_each(|byte| uart.set(offset::DR, byte));
        for left in (0..32).rev() {
            uart.drain(1);
            assert_eq!(uart.get(offset::RIS) & TX != 0, left <= level, "{select} {left}");
        }
    }
}

#[test]
fn what_a_driver_leaves_unread_is_told_again() {
    let mut uart = Pl011::new();
    uart.set(offset::IMSC, RX | RT);
    uart.type_in(b"abc");
    uart.set(offset::ICR, RT);
    assert!(!uart.interrupt_line());
    uart.get(offset::DR);
    assert_eq!(uart.get(offset::MIS), RT);
    uart.set(offset::ICR, RT);
    uart.set(offset::IFLS, 0);
    assert_eq!(uart.get(offset::MIS), RT, "2 of 4");
    uart.get(offset::DR);
    uart.get(offset::DR);
    assert!(!uart.interrupt_line());
}

#[test]
fn what_is_off_neither_sends_nor_receives() {
    for control in [0, 0x001, 0x300] {
        let mut uart = Pl011::new();
        uart.set(offset::CR, control);
        uart.set(offset::DR, 7);
        uart.type_in(b"x");
        assert!(uart.drain(9).is_empty() && uart.flag(FR::BUSY) && uart.flag(FR::RXFE));
        uart.set(offset::CR, 0x301);
        assert_eq!(uart.drain(9), [7]);
    }
}

#[test]
fn loopback_stays_inside_and_can_overrun() {
    let mut uart = Pl011::new();
    uart.set(offset::CR, 0x301 | 1 << 7 | 1 << 11 | 1 << 13);
    assert_eq!(uart.get(offset::FR) & 0x107, 0x101, "RTS is CTS, OUT2 is RI");
    for byte in 0..33 {
        uart.set(offset::DR, byte);
        assert!(uart.drain(9).is_empty() && uart.flag(FR::TXFE));
        assert_eq!(uart.get(offset::RIS) & OE != 0, byte == 32);
    }
    uart.type_in(b"x");
    assert_eq!(uart.get(offset::RSR_ECR), 1 << 3);
    uart.set(offset::RSR_ECR, 0);
    assert_eq!(uart.get(offset::RSR_ECR), 0);
    for byte in 0..32 {
        assert_eq!(uart.get(offset::DR), byte);
    }
    for expected in [1 << 11 | 34, 35] {
        uart.set(offset::DR, expected & 0xff);
        uart.drain(9);
        assert_eq!(uart.get(offset::DR), expected, "the first after the loss tells of it");
    }
    assert_eq!(uart.get(offset::DR), 0);
}

#[test]
fn turning_fifos_off_forgets_input_and_keeps_output() {
    let mut uart = Pl011::new();
    uart.set(offset::IMSC, 0x7ff);
    uart.type_in(b"abc");
    (1..4).for_each(|byte| uart.set(offset::DR, byte));
    uart.set(offset::LCR_H, 0x60);
    assert!(uart.flag(FR::RXFE) && uart.flag(FR::TXFF) && !uart.interrupt_line());
    assert_eq!(uart.drain(9), [1, 2, 3]);
}

#[test]
fn registers_keep_the_bits_that_exist() {
    let mut uart = Pl011::new();
    for (offset, bits) in [
        (offset::ILPR, 0xff),
        (offset::IBRD, 0xffff),
        (offset::FBRD, 0x3f),
        (offset::LCR_H, 0xff),
        (offset::CR, 0xff87),
        (offset::IFLS, 0x3f),
        (offset::IMSC, 0x7ff),
        (offset::DMACR, 0x7),
        (offset::ICR, 0),
        (0x80, 0),
    ] {
        uart.write(offset, 8, u64::MAX);
        assert_eq!(uart.get(offset), bits, "{offset:#x}");
        assert_eq!(uart.read(offset, 2), bits & 0xffff, "{offset:#x}");
        uart.write(offset, 1, u64::MAX);
        assert_eq!(uart.get(offset), bits & 0xff, "{offset:#x}");
    }
}

proptest! {
    /// Whatever a guest does to it, what was written when FR said that there was room comes out,
    /// and the interrupt line is MIS.
    #[test]
    fn nothing_that_fits_is_lost(
        steps in prop::collection::vec(
            (prop_oneof![Just(0_u64), 0..0x50_u64, any::<u64>()], 0..10_u64, any::<u64>(), 0..9_usize),
            0..300,
        ),
    ) {
        let mut uart = Pl011::new();
        let (mut written, mut sent) = (Vec::new(), Vec::new());
        for (offset, size, value, room) in steps {
            // Loopback would take the bytes elsewhere.
            let value = if offset == offset::CR { value & !0x80 } else { value };
            if offset == offset::DR && !uart.flag(FR::TXFF) {
                written.push(value as u8);
            }
            uart.write(offset, size, value);
            sent.extend(uart.drain(room));
            let _ = uart.receive(value as u8);
            uart.read(offset, size);
            prop_assert_eq!(uart.interrupt_line(), uart.get(offset::MIS) != 0);
        }
        uart.set(offset::CR, 0x301);
        sent.extend(uart.drain(usize::MAX));
        prop_assert_eq!(written, sent);
    }
}
