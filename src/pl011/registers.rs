//! The PL011's registers, as far as the model needs to know them (DDI 0183G, chapter 3).

use tock_registers::register_bitfields;

/// Offsets of the registers (DDI 0183, table 3-1).
pub mod offset {
    pub const DR: u64 = 0x00;
    pub const RSR_ECR: u64 = 0x04;
    pub const FR: u64 = 0x18;
    pub const ILPR: u64 = 0x20;
    pub const IBRD: u64 = 0x24;
    pub const FBRD: u64 = 0x28;
    pub const LCR_H: u64 = 0x2c;
    pub const CR: u64 = 0x30;
    pub const IFLS: u64 = 0x34;
    pub const IMSC: u64 = 0x38;
    pub const RIS: u64 = 0x3c;
    pub const MIS: u64 = 0x40;
    pub const ICR: u64 = 0x44;
    pub const DMACR: u64 = 0x48;
    pub const PERIPH_ID_0: u64 = 0xfe0;
    pub const PCELL_ID_3: u64 = 0xffc;
}

register_bitfields![u32,
    /// Data: of the errors, the one that can occur here.
    pub DR [OE OFFSET(11) NUMBITS(1) []],
    /// Receive status.
    pub RSR [OE OFFSET(3) NUMBITS(1) []],
    /// Flags.
    pub FR [
        CTS OFFSET(0) NUMBITS(1) [],
        DSR OFFSET(1) NUMBITS(1) [],
        DCD OFFSET(2) NUMBITS(1) [],
        BUSY OFFSET(3) NUMBITS(1) [],
        RXFE OFFSET(4) NUMBITS(1) [],
        TXFF OFFSET(5) NUMBITS(1) [],
        RXFF OFFSET(6) NUMBITS(1) [],
        TXFE OFFSET(7) NUMBITS(1) [],
        RI OFFSET(8) NUMBITS(1) [],
    ],
    /// Line control.
    pub LCR_H [
        FEN OFFSET(4) NUMBITS(1) [],
        WLEN OFFSET(5) NUMBITS(2) [Eight = 0b11],
    ],
    /// Control.
    pub CR [
        UARTEN OFFSET(0) NUMBITS(1) [],
        LBE OFFSET(7) NUMBITS(1) [],
        TXE OFFSET(8) NUMBITS(1) [],
        RXE OFFSET(9) NUMBITS(1) [],
        DTR OFFSET(10) NUMBITS(1) [],
        RTS OFFSET(11) NUMBITS(1) [],
        OUT_1 OFFSET(12) NUMBITS(1) [],
        OUT_2 OFFSET(13) NUMBITS(1) [],
    ],
    /// FIFO levels at which interrupts are raised.
    pub IFLS [
        TXIFLSEL OFFSET(0) NUMBITS(3) [Half = 0b010],
        RXIFLSEL OFFSET(3) NUMBITS(3) [Half = 0b010],
    ],
    /// IMSC, RIS, MIS and ICR.
    pub INTERRUPT [
        RX OFFSET(4) NUMBITS(1) [],
        TX OFFSET(5) NUMBITS(1) [],
        RT OFFSET(6) NUMBITS(1) [],
        OE OFFSET(10) NUMBITS(1) [],
    ],
];

pub const FIFO_DEPTH: usize = 32;

/// IFLS: 1/8, 1/4, 1/2, 3/4 and 7/8 of the FIFO. The other values are reserved.
pub const FIFO_LEVELS: [usize; 5] = [4, 8, 16, 24, 28];

/// UARTPeriphID0 to 3 (part 0x011, designer 0x41, revision 3: r1p5) and UARTPCellID0 to 3.
pub const IDENTIFICATION: [u32; 8] = [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1];
