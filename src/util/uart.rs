//! The registers of UARTs as data, and the driver over them.
//!
//! | model | binding | source |
//! |---|---|---|
//! | PL011 | `arm,pl011` | DDI 0183, 3.3 |
//! | mini-UART | `brcm,bcm2835-aux-uart` | BCM2835 ARM Peripherals, 2.2.2, with its errata |
//! | DesignWare | `snps,dw-apb-uart` | the registers of a 16550, four bytes apart |
//! | i.MX | `fsl,imx6q-uart` | i.MX 8M Plus Reference Manual, chapter UART |
//! | Cadence | `cdns,uart-r1p12` | UG1085, Zynq UltraScale+ Register Reference |
//!
//! Firmware has set the line up, that is, the clock and the baud rate; the driver sends, receives
//! and masks interrupts. It has resolved its registers, so that a byte costs two accesses and no
//! decision between models.

/// A 32-bit register.
pub trait UartRegister: Copy {
    /// Reads it.
    fn read(self) -> u32;

    /// Writes it.
    fn write(self, value: u32);
}

/// A condition: these bits of the register `R`, or of that at an offset, have this value.
#[derive(Clone, Copy)]
struct Condition<R> {
    register: R,
    mask: u32,
    value: u32,
}

impl<R: UartRegister> Condition<R> {
    #[inline(always)]
    fn holds(&self) -> bool {
        self.register.read() & self.mask == self.value
    }
}

/// Returns the condition that a bit is set.
const fn set(register: u64, bit: u32) -> Condition<u64> {
    Condition { register, mask: 1 << bit, value: 1 << bit }
}

/// Returns the condition that a bit is clear.
const fn clear(register: u64, bit: u32) -> Condition<u64> {
    Condition { register, mask: 1 << bit, value: 0 }
}

/// The registers of a UART whose interrupts are enabled by the ones that are written to one
/// register and disabled by those written to another, and stay pending until ones are written to a
/// third.
#[derive(Clone, Copy)]
struct Latch<R> {
    disable: R,
    pending: R,
}

/// The registers of a model of UART, by their offsets in bytes.
pub struct UartModel {
    transmit: u64,
    receive: u64,
    has_room: Condition<u64>,
    has_byte: Condition<u64>,
    is_idle: Condition<u64>,
    /// Bits of registers that the driver needs, each as a register, a mask and the value.
    setup: &'static [(u64, u32, u32)],
    enable: u64,
    keep: u32,
    on_byte: u32,
    on_room: u32,
    latch: Option<Latch<u64>>,
}

/// PL011: UARTDR, UARTFR and UARTIMSC.
pub const PL011: UartModel = UartModel {
    transmit: 0x00,
    receive: 0x00,
    has_room: clear(0x18, 5), // TXFF
    has_byte: clear(0x18, 4), // RXFE
    is_idle: clear(0x18, 3),  // BUSY
    setup: &[],
    enable: 0x38,
    keep: 0,
    on_byte: 1 << 4 | 1 << 6, // RXIM, and RTIM for fewer bytes than the FIFO's trigger level
    on_room: 1 << 5,          // TXIM
    latch: None,
};

/// The mini-UART of a Raspberry Pi. Received bytes raise an interrupt only if bits 3:2 of
/// AUX_MU_IER_REG are set as well (errata on that register).
pub const MINI: UartModel = like_16550(1 << 0 | 0b11 << 2);

/// DesignWare.
pub const DESIGN_WARE: UartModel = like_16550(1 << 0);

/// Returns a model with a 16550's THR and RBR, IER and LSR, and these bits of IER for received
/// bytes.
const fn like_16550(on_byte: u32) -> UartModel {
    UartModel {
        transmit: 0x00,
        receive: 0x00,
        has_room: set(0x14, 5), // THRE
        has_byte: set(0x14, 0), // DR
        is_idle: set(0x14, 6),  // TEMT
        setup: &[],
        enable: 0x04,
        keep: 0,
        on_byte,
        on_room: 1 << 1, // ETBEI
        latch: None,
    }
}

/// i.MX: URXD, UTXD, UCR1, USR2 and UTS. UCR1 has other bits than those of the two interrupts.
pub const IMX: UartModel = UartModel {
    transmit: 0x40,
    receive: 0x00,
    has_room: clear(0xb4, 4), // TXFULL of UTS
    has_byte: set(0x98, 0),   // RDR of USR2
    is_idle: set(0x98, 3),    // TXDC of USR2
    setup: &[],
    enable: 0x80,
    keep: !(1 << 9 | 1 << 13),
    on_byte: 1 << 9,  // RRDYEN of UCR1
    on_room: 1 << 13, // TRDYEN of UCR1
    latch: None,
};

/// Cadence: Control, Rcvr_FIFO_trigger_level, TX_RX_FIFO, Channel_sts, and Intrpt_en, Intrpt_dis
/// and Chnl_int_sts.
pub const CADENCE: UartModel = UartModel {
    transmit: 0x30,
    receive: 0x30,
    has_room: clear(0x2c, 4), // TFUL
    has_byte: clear(0x2c, 1), // REMPTY
    // TEMPTY is set and TACTIVE is clear.
    is_idle: Condition { register: 0x2c, mask: 1 << 3 | 1 << 11, value: 1 << 3 },
    setup: &[
        // The receiver and the transmitter are on: RXEN and TXEN, not RXDIS and TXDIS.
        (0x00, 0b1111 << 2, 0b0101 << 2),
        // One byte is enough for the interrupt.
        (0x20, 0x3f, 1),
    ],
    enable: 0x08,
    keep: 0,
    on_byte: 1 << 0 | 1 << 8, // RTRIG, and TIMEOUT for fewer bytes than the trigger level
    on_room: 1 << 3,          // TEMPTY
    latch: Some(Latch { disable: 0x0c, pending: 0x14 }),
};

impl UartModel {
    /// Takes over a UART of this model, whose register at an offset `register` returns. All its
    /// interrupts are masked.
    // In the caller, which only boot has.
    #[inline(always)]
    pub fn open<R: UartRegister>(&self, register: impl Fn(u64) -> R) -> Uart<R> {
        for (offset, mask, value) in self.setup {
            let register = register(*offset);
            register.write(register.read() & !mask | value);
        }
        let condition = |it: &Condition<u64>| Condition {
            register: register(it.register),
            mask: it.mask,
            value: it.value,
        };
        let latch =
            |it: Latch<u64>| Latch { disable: register(it.disable), pending: register(it.pending) };
        let uart = Uart {
            transmit: register(self.transmit),
            receive: register(self.receive),
            has_room: condition(&self.has_room),
            has_byte: condition(&self.has_byte),
            is_idle: condition(&self.is_idle),
            enable: register(self.enable),
            keep: self.keep,
            on_byte: self.on_byte,
            on_room: self.on_room,
            latch: self.latch.map(latch),
        };
        uart.set_interrupts(false, false);
        uart
    }
}

/// A UART that firmware has configured.
#[derive(Clone, Copy)]
pub struct Uart<R> {
    /// The register to which a byte is written to be sent.
    transmit: R,
    /// The register that holds a received byte in bits 7:0.
    receive: R,
    /// The transmit FIFO has room.
    has_room: Condition<R>,
    /// A byte has been received.
    has_byte: Condition<R>,
    /// All bytes have left the transmitter.
    is_idle: Condition<R>,
    /// The register that enables interrupts.
    enable: R,
    /// Its bits that stay as they are.
    keep: u32,
    /// Its bits of the interrupts for received bytes.
    on_byte: u32,
    /// Its bits of the interrupts for room in the transmit FIFO.
    on_room: u32,
    latch: Option<Latch<R>>,
}

impl<R: UartRegister> Uart<R> {
    /// Returns whether the transmit FIFO has room for a byte.
    #[inline(always)]
    pub fn can_send(&self) -> bool {
        self.has_room.holds()
    }

    /// Puts a byte into the transmit FIFO, which must have room.
    #[inline(always)]
    pub fn send(&self, byte: u8) {
        self.transmit.write(u32::from(byte));
    }

    /// Sends bytes, waiting for room before each.
    #[inline(never)]
    pub fn send_all(&self, bytes: &[u8]) {
        for byte in bytes {
            while !self.can_send() {}
            self.send(*byte);
        }
    }

    /// Sends bytes up to the first LF, waiting for room before each. Returns those after the LF;
    /// `None` if there is none.
    #[inline(always)]
    pub fn send_line<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let mut rest = bytes;
        while let [byte, after @ ..] = rest {
            if *byte == b'\n' {
                return Some(after);
            }
            while !self.can_send() {}
            self.send(*byte);
            rest = after;
        }
        None
    }

    /// Waits until all bytes have left the transmitter.
    pub fn flush(&self) {
        while !self.is_idle.holds() {}
    }

    /// Takes a byte from the receive FIFO; `None` if it is empty.
    pub fn receive(&self) -> Option<u8> {
        if let Some(latch) = &self.latch {
            // Before the FIFO is read: a byte that arrives later makes the interrupt pending again.
            latch.pending.write(self.on_byte);
        }
        self.has_byte.holds().then(|| self.receive.read() as u8)
    }

    /// Unmasks or masks the interrupts for received bytes and for room in the transmit FIFO.
    pub fn set_interrupts(&self, receive: bool, transmit: bool) {
        let receive = if receive { self.on_byte } else { 0 };
        let wanted = receive | if transmit { self.on_room } else { 0 };
        if let Some(latch) = &self.latch {
            latch.disable.write((self.on_byte | self.on_room) & !wanted);
            // The FIFO was full when the caller stopped, so it is not empty yet.
            latch.pending.write(self.on_room);
        }
        self.enable.write(self.enable.read() & self.keep | wanted);
    }
}

#[cfg(test)]
mod tests {
    use core::cell::RefCell;

    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::*;

    /// Registers that hold what is written to them, and a record of the writes.
    #[derive(Default)]
    struct Frame {
        values: RefCell<BTreeMap<u64, u32>>,
        writes: RefCell<Vec<(u64, u32)>>,
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
        frame.set(0x38, 0x7ff);
        let uart = frame.open(&PL011);
        assert_eq!(frame.writes(), [(0x38, 0)], "firmware's interrupts are masked");
        frame.set(0x18, 1 << 5 | 1 << 4 | 1 << 3);
        assert!(!uart.can_send() && uart.receive().is_none() && !uart.is_idle.holds());
        frame.set(0x18, 0);
        // UARTDR has error bits above the byte.
        frame.set(0x00, 0xf00 | u32::from(b'a'));
        assert!(uart.can_send() && uart.receive() == Some(b'a') && uart.is_idle.holds());
        uart.send_all(b"bc");
        uart.set_interrupts(true, false);
        uart.set_interrupts(true, true);
        assert_eq!(frame.writes(), [(0x00, 0x62), (0x00, 0x63), (0x38, 0x50), (0x38, 0x70)]);
    }

    #[test]
    fn a_design_ware_uart_and_a_mini_uart_are_16550s() {
        for (model, on_byte) in [(DESIGN_WARE, 1), (MINI, 0b1101)] {
            let frame = Frame::default();
            let uart = frame.open(&model);
            assert!(!uart.can_send() && !uart.is_idle.holds());
            frame.set(0x14, 1 << 5 | 1 << 0);
            frame.set(0x00, u32::from(b'e'));
            assert!(uart.can_send() && !uart.is_idle.holds());
            assert_eq!(uart.receive(), Some(b'e'));
            frame.set(0x14, 1 << 6);
            assert!(uart.is_idle.holds() && uart.receive().is_none());
            uart.send(b'f');
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
        assert!(uart.can_send());
        frame.set(0xb4, 1 << 4);
        assert!(!uart.can_send());
        uart.send(b'a');
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
        assert_eq!(
            frame.writes(),
            [(0x00, 0x114), (0x20, 1), (0x0c, 0x109), (0x14, 0x008), (0x08, 0)]
        );
        frame.set(0x2c, 1 << 4 | 1 << 1);
        assert!(!uart.can_send() && !uart.is_idle.holds());
        assert_eq!(uart.receive(), None);
        assert_eq!(frame.writes(), [(0x14, 0x101)], "before the FIFO is read");
        frame.set(0x2c, 1 << 3 | 1 << 11);
        frame.set(0x30, u32::from(b'c'));
        assert!(uart.can_send() && !uart.is_idle.holds(), "a byte is being sent");
        assert_eq!(uart.receive(), Some(b'c'));
        frame.set(0x2c, 1 << 3);
        assert!(uart.is_idle.holds());
        frame.writes();
        uart.send(b'd');
        uart.set_interrupts(true, false);
        uart.set_interrupts(true, true);
        uart.set_interrupts(false, false);
        let mut expected = Vec::from([(0x30, 0x64)]);
        for enabled in [0x101, 0x109, 0] {
            expected.extend([(0x0c, 0x109 & !enabled), (0x14, 0x008), (0x08, enabled)]);
        }
        assert_eq!(frame.writes(), expected);
    }
}
