//! The registers of simple UARTs as data, and the driver over them.
//!
//! | model | binding | source |
//! |---|---|---|
//! | i.MX | `fsl,imx-uart` | i.MX 8M Plus Reference Manual, chapter UART |
//! | Cadence | `cdns,uart` | UG1085, Zynq UltraScale+ Register Reference |
//! | DesignWare | `snps,dw-apb-uart` | the registers of a 16550, four bytes apart |
//! | mini-UART | `brcm,bcm2835-aux-uart` | BCM2835 ARM Peripherals, 2.2.2, with its errata |
//!
//! Firmware has set the line up, that is, the clock and the baud rate; a driver sends, receives and
//! masks interrupts.

/// Access to the 32-bit registers of a UART.
pub trait UartRegisters {
    /// Reads the register at an offset in bytes.
    fn read(&self, offset: u64) -> u32;

    /// Writes the register at an offset in bytes.
    fn write(&self, offset: u64, value: u32);
}

/// A condition: those bits of a register have this value.
struct Condition {
    register: u64,
    mask: u32,
    value: u32,
}

impl Condition {
    fn holds(&self, registers: &impl UartRegisters) -> bool {
        registers.read(self.register) & self.mask == self.value
    }
}

/// Returns the condition that a bit is set.
const fn set(register: u64, bit: u32) -> Condition {
    Condition { register, mask: 1 << bit, value: 1 << bit }
}

/// Returns the condition that a bit is clear.
const fn clear(register: u64, bit: u32) -> Condition {
    Condition { register, mask: 1 << bit, value: 0 }
}

/// The registers that enable a UART's interrupts.
enum Enable {
    /// One register, whose other bits stay as they are.
    Bits(u64),
    /// One register enables the bits that are ones and one disables them; a third has the pending
    /// interrupts, which stay until ones are written to it.
    SetAndClear { set: u64, clear: u64, pending: u64 },
}

/// The registers of a model of UART.
pub struct UartModel {
    /// The register to which a byte is written to be sent.
    transmit: u64,
    /// The register that holds a received byte in bits 7:0.
    receive: u64,
    /// The transmit FIFO has room.
    has_room: Condition,
    /// A byte has been received.
    has_byte: Condition,
    /// All bytes have left the transmitter.
    is_idle: Condition,
    /// Bits of registers that the driver needs, each as a register, a mask and the value.
    setup: &'static [(u64, u32, u32)],
    enable: Enable,
    /// The interrupts for received bytes.
    on_byte: u32,
    /// The interrupts for room in the transmit FIFO.
    on_room: u32,
}

/// i.MX: URXD, UTXD, UCR1, USR2 and UTS.
pub const IMX: UartModel = UartModel {
    transmit: 0x40,
    receive: 0x00,
    has_room: clear(0xb4, 4), // TXFULL of UTS
    has_byte: set(0x98, 0),   // RDR of USR2
    is_idle: set(0x98, 3),    // TXDC of USR2
    setup: &[],
    enable: Enable::Bits(0x80),
    on_byte: 1 << 9,  // RRDYEN of UCR1
    on_room: 1 << 13, // TRDYEN of UCR1
};

/// Cadence: Control, Rcvr_FIFO_trigger_level, TX_RX_FIFO, Chnl_int_sts and Channel_sts.
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
    enable: Enable::SetAndClear { set: 0x08, clear: 0x0c, pending: 0x14 },
    on_byte: 1 << 0 | 1 << 8, // RTRIG, and TIMEOUT for fewer bytes than the trigger level
    on_room: 1 << 3,          // TEMPTY
};

/// DesignWare.
pub const DESIGN_WARE: UartModel = like_16550(1 << 0);

/// The mini-UART of a Raspberry Pi. Received bytes raise an interrupt only if bits 3:2 of
/// AUX_MU_IER_REG are set as well (errata on that register).
pub const MINI: UartModel = like_16550(1 << 0 | 0b11 << 2);

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
        enable: Enable::Bits(0x04),
        on_byte,
        on_room: 1 << 1, // ETBEI
    }
}

impl UartModel {
    /// Sets up what the driver needs, with all interrupts masked.
    // In the caller, which only boot has.
    #[inline(always)]
    pub fn init(&self, registers: &impl UartRegisters) {
        for (register, mask, value) in self.setup {
            registers.write(*register, registers.read(*register) & !mask | value);
        }
        self.set_interrupts(registers, false, false);
    }

    /// Returns whether the transmit FIFO has room for a byte.
    pub fn can_send(&self, registers: &impl UartRegisters) -> bool {
        self.has_room.holds(registers)
    }

    /// Puts a byte into the transmit FIFO, which must have room.
    pub fn send(&self, registers: &impl UartRegisters, byte: u8) {
        registers.write(self.transmit, u32::from(byte));
    }

    /// Takes a byte from the receive FIFO; `None` if it is empty.
    pub fn receive(&self, registers: &impl UartRegisters) -> Option<u8> {
        // Before the FIFO is read: a byte that arrives later makes the interrupt pending again.
        self.acknowledge(registers, self.on_byte);
        self.has_byte.holds(registers).then(|| registers.read(self.receive) as u8)
    }

    /// Returns whether all bytes have left the transmitter.
    pub fn is_idle(&self, registers: &impl UartRegisters) -> bool {
        self.is_idle.holds(registers)
    }

    /// Unmasks or masks the interrupts for received bytes and for room in the transmit FIFO.
    pub fn set_interrupts(&self, registers: &impl UartRegisters, receive: bool, transmit: bool) {
        let all = self.on_byte | self.on_room;
        let receive = if receive { self.on_byte } else { 0 };
        let wanted = receive | if transmit { self.on_room } else { 0 };
        match self.enable {
            Enable::Bits(register) => {
                registers.write(register, registers.read(register) & !all | wanted);
            }
            Enable::SetAndClear { set, clear, .. } => {
                registers.write(clear, all & !wanted);
                // The FIFO was full when the caller stopped, so it is not empty yet.
                self.acknowledge(registers, self.on_room);
                registers.write(set, wanted);
            }
        }
    }

    /// Makes interrupts not pending, where that needs a write.
    fn acknowledge(&self, registers: &impl UartRegisters, bits: u32) {
        if let Enable::SetAndClear { pending, .. } = self.enable {
            registers.write(pending, bits);
        }
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
    struct Fake {
        values: RefCell<BTreeMap<u64, u32>>,
        writes: RefCell<Vec<(u64, u32)>>,
    }

    impl Fake {
        fn set(&self, offset: u64, value: u32) {
            self.values.borrow_mut().insert(offset, value);
        }

        fn writes(&self) -> Vec<(u64, u32)> {
            self.writes.take()
        }
    }

    impl UartRegisters for Fake {
        fn read(&self, offset: u64) -> u32 {
            self.values.borrow().get(&offset).copied().unwrap_or_default()
        }

        fn write(&self, offset: u64, value: u32) {
            self.set(offset, value);
            self.writes.borrow_mut().push((offset, value));
        }
    }

    #[test]
    fn an_imx_uart_sends_and_receives() {
        let uart = Fake::default();
        assert!(IMX.can_send(&uart));
        uart.set(0xb4, 1 << 4);
        assert!(!IMX.can_send(&uart));
        IMX.send(&uart, b'a');
        assert_eq!(uart.writes(), [(0x40, 0x61)]);
        // URXD has status bits above the byte.
        uart.set(0x00, 0x8000 | 0x62);
        assert_eq!(IMX.receive(&uart), None);
        uart.set(0x98, 1);
        assert_eq!(IMX.receive(&uart), Some(b'b'));
        assert!(!IMX.is_idle(&uart));
        uart.set(0x98, 1 << 3);
        assert!(IMX.is_idle(&uart));
        // UCR1 has the UART's own enable in bit 0.
        uart.set(0x80, 1 | 1 << 13);
        IMX.set_interrupts(&uart, true, false);
        IMX.set_interrupts(&uart, false, true);
        assert_eq!(uart.writes(), [(0x80, 1 | 1 << 9), (0x80, 1 | 1 << 13)]);
    }

    #[test]
    fn a_cadence_uart_acknowledges_its_interrupts() {
        let uart = Fake::default();
        uart.set(0x00, 0x128);
        CADENCE.init(&uart);
        assert_eq!(
            uart.writes(),
            [(0x00, 0x114), (0x20, 1), (0x0c, 0x109), (0x14, 0x008), (0x08, 0)]
        );
        uart.set(0x2c, 1 << 4 | 1 << 1);
        assert!(!CADENCE.can_send(&uart) && !CADENCE.is_idle(&uart));
        assert_eq!(CADENCE.receive(&uart), None);
        assert_eq!(uart.writes(), [(0x14, 0x101)], "before the FIFO is read");
        uart.set(0x2c, 1 << 3 | 1 << 11);
        uart.set(0x30, u32::from(b'c'));
        assert!(CADENCE.can_send(&uart) && !CADENCE.is_idle(&uart), "a byte is being sent");
        assert_eq!(CADENCE.receive(&uart), Some(b'c'));
        uart.set(0x2c, 1 << 3);
        assert!(CADENCE.is_idle(&uart));
        uart.writes();
        CADENCE.send(&uart, b'd');
        CADENCE.set_interrupts(&uart, true, false);
        CADENCE.set_interrupts(&uart, true, true);
        CADENCE.set_interrupts(&uart, false, false);
        assert_eq!(
            uart.writes(),
            [
                (0x30, 0x64),
                (0x0c, 0x008),
                (0x14, 0x008),
                (0x08, 0x101),
                (0x0c, 0x000),
                (0x14, 0x008),
                (0x08, 0x109),
                (0x0c, 0x109),
                (0x14, 0x008),
                (0x08, 0x000),
            ]
        );
    }

    #[test]
    fn a_design_ware_uart_is_a_16550() {
        let uart = Fake::default();
        assert!(!DESIGN_WARE.can_send(&uart) && !DESIGN_WARE.is_idle(&uart));
        uart.set(0x14, 1 << 5 | 1 << 0);
        uart.set(0x00, u32::from(b'e'));
        assert!(DESIGN_WARE.can_send(&uart) && !DESIGN_WARE.is_idle(&uart));
        assert_eq!(DESIGN_WARE.receive(&uart), Some(b'e'));
        uart.set(0x14, 1 << 6);
        assert!(DESIGN_WARE.is_idle(&uart));
        assert_eq!(DESIGN_WARE.receive(&uart), None);
        DESIGN_WARE.send(&uart, b'f');
        DESIGN_WARE.set_interrupts(&uart, true, false);
        DESIGN_WARE.set_interrupts(&uart, false, true);
        MINI.set_interrupts(&uart, true, true);
        assert_eq!(uart.writes(), [(0x00, 0x66), (0x04, 1), (0x04, 2), (0x04, 0b1111)]);
    }
}
