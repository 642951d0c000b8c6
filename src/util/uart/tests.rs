//! The drivers, on registers that record what is written to them.

use core::cell::RefCell;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::*;

/// Registers that hold what is written to them, and records of the writes and the reads.
#[derive(Default)]
struct Frame {
    values: RefCell<BTreeMap<u64, u32>>,
    writes: RefCell<Vec<(u64, u32)>>,
    reads: RefCell<Vec<u64>>,
}

impl Frame {
    fn open(&self, model: &UartModel) -> Uart<FrameRegister<'_>> {
        model.open(|offset| FrameRegister(self, offset))
    }

    fn set(&self, offset: u64, value: u32) {
        self.values.borrow_mut().insert(offset, value);
    }

    fn writes(&self) -> Vec<(u64, u32)> {
        self.writes.take()
    }
}

#[derive(Clone, Copy)]
struct FrameRegister<'f>(&'f Frame, u64);

impl UartRegister for FrameRegister<'_> {
    fn read(self) -> u32 {
        self.0.reads.borrow_mut().push(self.1);
        self.0.values.borrow().get(&self.1).copied().unwrap_or_default()
    }

    fn write(self, value: u32) {
        self.0.set(self.1, value);
        self.0.writes.borrow_mut().push((self.1, value));
    }
}

#[test]
fn a_pl011_sends_and_receives() {
    let frame = Frame::default();
    frame.set(0x2c, 0x70);
    frame.set(0x34, 0x12);
    frame.set(0x38, 0x7ff);
    let uart = frame.open(&PL011);
    assert_eq!(frame.writes(), [(0x34, 0x10), (0x38, 0)], "firmware's interrupts are masked");
    frame.set(0x18, 1 << 5 | 1 << 4 | 1 << 3);
    assert!(uart.room() == 0 && uart.receive().is_none() && !uart.is_idle.holds());
    frame.set(0x18, 0);
    // UARTDR has error bits above the byte.
    frame.set(0x00, 0xf00 | u32::from(b'a'));
    assert!(uart.room() > 0 && uart.receive() == Some(b'a') && uart.is_idle.holds());
    uart.send_all(b"bc");
    uart.set_interrupts(true, false);
    uart.set_interrupts(true, true);
    assert_eq!(frame.writes(), [(0x00, 0x62), (0x00, 0x63), (0x38, 0x50), (0x38, 0x70)]);
}

#[test]
fn a_pl011_s_fifos_are_turned_on_while_it_is_disabled() {
    for (control, line_control) in [(0x301, 0x60), (0x300, 0)] {
        let frame = Frame::default();
        frame.set(0x30, control);
        frame.set(0x2c, line_control);
        let uart = frame.open(&PL011);
        let fifos = line_control | 1 << 4;
        let (off, on) = ((0x30, control & !1), (0x30, control));
        assert_eq!(frame.writes(), [(0x34, 0), off, (0x2c, fifos), on, (0x38, 0)]);
        frame.set(0x18, 1 << 7);
        assert_eq!(uart.room(), 16);
    }
}

#[test]
fn an_empty_fifo_has_room_for_a_burst() {
    // The model, what turns its FIFOs on, the status, and its values if the transmit FIFO is empty,
    // has room or is full.
    for (model, fifos, status, values, depth) in [
        (&PL011, (0x2c, 1 << 4), 0x18, [1 << 7, 1 << 3, 1 << 5 | 1 << 3], 16),
        (&DESIGN_WARE, (0x08, 0xc1), 0x14, [1 << 6 | 1 << 5, 1 << 5, 0], 16),
        (&MINI, (0x08, 0xc1), 0x14, [1 << 6 | 1 << 5, 1 << 5, 0], 8),
        (&IMX, (0x80, 1), 0xb4, [1 << 6, 0, 1 << 4], 32),
        (&CADENCE, (0x00, 0x114), 0x2c, [1 << 3, 0, 1 << 4], 16),
    ] {
        let frame = Frame::default();
        frame.set(fifos.0, fifos.1);
        let uart = frame.open(model);
        let rooms = values.map(|value| {
            frame.set(status, value);
            uart.room()
        });
        assert_eq!(rooms, [depth, 1, 0]);
    }
    let frame = Frame::default();
    let uart = frame.open(&DESIGN_WARE);
    frame.set(0x14, 1 << 6 | 1 << 5);
    assert_eq!(uart.room(), 1, "its FIFOs are off");
}

#[test]
fn bytes_are_written_in_bursts() {
    let frame = Frame::default();
    frame.set(0x2c, 1 << 4);
    let uart = frame.open(&PL011);
    frame.set(0x18, 1 << 7);
    frame.writes();
    frame.reads.take();
    uart.send_all(&[b'x'; 40]);
    assert_eq!(frame.writes(), [(0x00, u32::from(b'x')); 40]);
    assert_eq!(frame.reads.take(), [0x18; 3], "one look for each FIFO of 16 bytes");
}

#[test]
fn a_design_ware_uart_and_a_mini_uart_are_16550s() {
    for (model, on_byte) in [(DESIGN_WARE, 1), (MINI, 0b1101)] {
        let frame = Frame::default();
        let uart = frame.open(&model);
        assert!(uart.room() == 0 && !uart.is_idle.holds());
        frame.set(0x14, 1 << 5 | 1 << 0);
        frame.set(0x00, u32::from(b'e'));
        assert!(uart.room() > 0 && !uart.is_idle.holds());
        assert_eq!(uart.receive(), Some(b'e'));
        frame.set(0x14, 1 << 6);
        assert!(uart.is_idle.holds() && uart.receive().is_none());
        uart.send([b'f'].into_iter());
        uart.set_interrupts(true, false);
        uart.set_interrupts(false, true);
        let writes = [(0x04, 0), (0x00, 0x66), (0x04, on_byte), (0x04, 2)];
        assert_eq!(frame.writes(), writes);
    }
}

#[test]
fn an_imx_uart_keeps_the_other_bits_of_its_control_register() {
    let frame = Frame::default();
    // UARTEN, which is the UART's own enable, and both interrupts.
    frame.set(0x80, 1 | 1 << 9 | 1 << 13);
    let uart = frame.open(&IMX);
    assert!(uart.room() > 0);
    frame.set(0xb4, 1 << 4);
    assert!(uart.room() == 0);
    uart.send([b'a'].into_iter());
    assert_eq!(frame.writes(), [(0x80, 1), (0x40, 0x61)]);
    // URXD has status bits above the byte.
    frame.set(0x00, 0x8000 | u32::from(b'b'));
    assert_eq!(uart.receive(), None);
    frame.set(0x98, 1);
    assert_eq!(uart.receive(), Some(b'b'));
    assert!(!uart.is_idle.holds());
    frame.set(0x98, 1 << 3);
    assert!(uart.is_idle.holds());
    uart.set_interrupts(true, false);
    uart.set_interrupts(false, true);
    assert_eq!(frame.writes(), [(0x80, 1 | 1 << 9), (0x80, 1 | 1 << 13)]);
}

#[test]
fn a_cadence_uart_is_switched_on_and_acknowledges_its_interrupts() {
    let frame = Frame::default();
    frame.set(0x00, 0x128);
    let uart = frame.open(&CADENCE);
    assert_eq!(frame.writes(), [(0x00, 0x114), (0x20, 1), (0x0c, 0x109), (0x14, 0x008), (0x08, 0)]);
    frame.set(0x2c, 1 << 4 | 1 << 1);
    assert!(uart.room() == 0 && !uart.is_idle.holds());
    assert_eq!(uart.receive(), None);
    assert_eq!(frame.writes(), [(0x14, 0x101)], "before the FIFO is read");
    frame.set(0x2c, 1 << 3 | 1 << 11);
    frame.set(0x30, u32::from(b'c'));
    assert!(uart.room() > 0 && !uart.is_idle.holds(), "a byte is being sent");
    assert_eq!(uart.receive(), Some(b'c'));
    frame.set(0x2c, 1 << 3);
    assert!(uart.is_idle.holds());
    frame.writes();
    uart.send([b'd'].into_iter());
    uart.set_interrupts(true, false);
    uart.set_interrupts(true, true);
    uart.set_interrupts(false, false);
    let mut expected = Vec::from([(0x30, 0x64)]);
    for enabled in [0x101, 0x109, 0] {
        expected.extend([(0x0c, 0x109 & !enabled), (0x14, 0x008), (0x08, enabled)]);
    }
    assert_eq!(frame.writes(), expected);
}
