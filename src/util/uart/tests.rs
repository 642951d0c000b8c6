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
        model.open(|place| FrameRegister(self, place.offset))
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
    const IS_PLAIN: bool = false;

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
        (&ns16550(Spacing::WORDS), (0x08, 0xc1), 0x14, [1 << 6 | 1 << 5, 1 << 5, 0], 16),
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
    let uart = frame.open(&ns16550(Spacing::WORDS));
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
fn a_16550_has_its_registers_where_the_spacing_says() {
    let spacing = |shift, bytes| Spacing::new(shift, bytes).unwrap();
    for (model, shift, on_byte) in [
        (MINI, 2, 0b1101),
        (ns16550(Spacing::WORDS), 2, 1),
        (ns16550(Spacing::BYTES), 0, 1),
        (ns16550(spacing(2, 1)), 2, 1),
        (ns16550(spacing(1, 2)), 1, 1),
        (design_ware(Spacing::WORDS), 2, 1),
    ] {
        let at = |index: u64| index << shift;
        let frame = Frame::default();
        // MCR has other bits than OUT2.
        frame.set(at(4), 0b11);
        let uart = frame.open(&model);
        let mut writes = frame.writes();
        assert_eq!(writes.pop(), Some((at(1), 0)), "firmware's interrupts are masked");
        assert!(writes.is_empty() || writes == [(at(4), 0b1011)]);
        assert_eq!(writes.is_empty(), on_byte != 1, "the mini-UART has no OUT2");
        assert!(uart.room() == 0 && !uart.is_idle.holds());
        frame.set(at(5), 1 << 5 | 1 << 0);
        frame.set(at(0), u32::from(b'e'));
        assert!(uart.room() > 0 && !uart.is_idle.holds());
        assert_eq!(uart.receive(), Some(b'e'));
        frame.set(at(5), 1 << 6);
        assert!(uart.is_idle.holds() && uart.receive().is_none());
        uart.send([b'f'].into_iter());
        uart.set_interrupts(true, false);
        uart.set_interrupts(false, true);
        assert_eq!(frame.writes(), [(at(0), 0x66), (at(1), on_byte), (at(1), 2)]);
    }
}

#[test]
fn spacings_that_do_not_fit_are_refused() {
    assert_eq!(Spacing::new(2, 4), Some(Spacing::WORDS));
    assert_eq!(Spacing::new(0, 1), Some(Spacing::BYTES));
    for (shift, bytes) in [(1, 4), (0, 2), (2, 3), (2, 8), (2, 0), (5, 4), (u32::MAX, 1)] {
        assert_eq!(Spacing::new(shift, bytes), None, "{shift}, {bytes}");
    }
}

/// The interrupt that nothing masks is ended by a read of USR, register 31.
#[test]
fn an_interrupt_that_a_busy_design_ware_uart_has_left_is_ended() {
    for (spacing, usr) in [(Spacing::WORDS, 0x7c), (Spacing::BYTES, 0x1f)] {
        let frame = Frame::default();
        frame.open(&design_ware(spacing));
        assert!(frame.reads.take().contains(&usr));
        frame.open(&ns16550(spacing));
        assert!(!frame.reads.take().contains(&usr));
    }
}

#[test]
fn an_imx_uart_keeps_the_other_bits_of_its_control_register() {
    let frame = Frame::default();
    // UARTEN, which is the UART's own enable, and both interrupts.
    frame.set(0x80, 1 | 1 << 9 | 1 << 13);
    let uart = frame.open(&IMX);
    let on = [(0x80, 1 | 1 << 9 | 1 << 13), (0x84, 0b111), (0x90, 1), (0x80, 1)];
    assert_eq!(frame.writes(), on);
    assert!(uart.room() > 0);
    frame.set(0xb4, 1 << 4);
    assert!(uart.room() == 0);
    uart.send([b'a'].into_iter());
    assert_eq!(frame.writes(), [(0x40, 0x61)]);
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

/// The models of which only the output is used: what masks their interrupts, the status, its values
/// if the transmit FIFO is empty, has room or is full, and the bytes that an empty one takes.
#[test]
fn output_waits_for_room() {
    for (model, enable, mask, status, values, depth) in [
        (&MESON, 0x08, 0b11 << 27, 0x0c, [1 << 22, 0, 1 << 21], 64),
        (&LPUART, 0x18, 0xff << 20, 0x14, [1 << 23, 1 << 23, 0], 1),
        (&GENI, 0x614, u32::MAX, 0x40, [0, 0, 1], 1),
        (&SCIF, 0x08, 0xc8, 0x1c, [0, 1 << 8, 16 << 8], 16),
    ] {
        let frame = Frame::default();
        frame.set(enable, u32::MAX);
        let uart = frame.open(model);
        assert_eq!(frame.writes(), [(enable, !mask)]);
        assert!(!model.has_interrupts());
        let rooms = values.map(|value| {
            frame.set(status, value);
            uart.room()
        });
        assert_eq!(rooms, [depth, 1, 0]);
        assert_eq!(uart.receive(), None);
        frame.set(status, values[0]);
        frame.writes();
        uart.send_all(b"a");
        assert_eq!(frame.writes().last().unwrap().1, u32::from(b'a'));
    }
}

#[test]
fn a_geni_uart_sends_a_byte_by_a_command() {
    let frame = Frame::default();
    let uart = frame.open(&GENI);
    frame.writes();
    uart.send_all(b"ab");
    let command = |byte| [(0x270, 1), (0x600, 0x0800_0000), (0x700, u32::from(byte))];
    assert_eq!(frame.writes(), [command(b'a'), command(b'b')].concat());
}

#[test]
fn models_end_with_their_last_register() {
    let spacing = Spacing::new(2, 1).unwrap();
    for (model, size) in [
        (PL011, 0x3c),
        (MINI, 0x18),
        (ns16550(Spacing::BYTES), 6),
        (ns16550(spacing), 0x15),
        (design_ware(Spacing::WORDS), 0x80),
        (IMX, 0xb8),
        (CADENCE, 0x34),
        (MESON, 0x10),
        (LPUART, 0x20),
        (GENI, 0x704),
        (SCIF, 0x1e),
    ] {
        assert_eq!(model.size(), size);
    }
}

#[test]
fn plain_models_need_nothing_but_words() {
    let plain = [PL011, MINI, ns16550(Spacing::WORDS), IMX, MESON, LPUART];
    assert!(plain.iter().all(UartModel::is_plain));
    let others =
        [ns16550(Spacing::BYTES), ns16550(Spacing::new(2, 1).unwrap()), CADENCE, GENI, SCIF];
    assert!(!others.iter().any(UartModel::is_plain));
}
