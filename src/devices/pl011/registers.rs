//! Register offsets, fields and reset values of the PL011 that the model uses (Arm DDI 0183G,
//! chapter 3).

// Offsets in bytes (table 3-1).
/// Offset of the data register.
pub const DR: u64 = 0x00;
/// Offset of the flag register.
pub const FR: u64 = 0x18;
pub const ILPR: u64 = 0x20;
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

/// The bits that can be written and read back, of ILPR, IBRD, FBRD, LCR_H, CR (without LBE), IFLS,
/// IMSC, RIS, MIS, ICR and DMACR.
pub const WRITABLE: [u32; 11] = [0xff, 0xffff, 0x3f, 0xff, 0xff07, 0x3f, 0x7ff, 0, 0, 0, 0x7];

/// The values of the same registers before a guest writes to them: those of a reset (table 3-1), but
/// with the line set up and the UART enabled, because many guests print before they have a driver.
/// FIFOs are off, as some drivers assume. IBRD 13 and FBRD 1 are 115200 baud from a 24 MHz clock.
pub const AT_START: [u32; 11] = [0, 13, 1, LCR_H_START, CR_START, IFLS_START, 0, 0, 0, 0, 0];

// FR.
pub const FR_CTS: u32 = 1 << 0;
pub const FR_DSR: u32 = 1 << 1;
pub const FR_DCD: u32 = 1 << 2;
pub const FR_BUSY: u32 = 1 << 3;
pub const FR_RXFE: u32 = 1 << 4;
pub const FR_TXFF: u32 = 1 << 5;
pub const FR_RXFF: u32 = 1 << 6;
pub const FR_TXFE: u32 = 1 << 7;

// LCR_H: FIFOs enabled; at the start WLEN for 8 bits.
pub const LCR_H_FEN: u32 = 1 << 4;
const LCR_H_START: u32 = 0b11 << 5;

// CR.
pub const CR_UARTEN: u32 = 1 << 0;
pub const CR_TXE: u32 = 1 << 8;
pub const CR_RXE: u32 = 1 << 9;
const CR_START: u32 = CR_UARTEN | CR_TXE | CR_RXE;

// Shifts of IFLS.TXIFLSEL and RXIFLSEL. Both fields start as half of the FIFO.
pub const IFLS_TX: u32 = 0;
pub const IFLS_RX: u32 = 3;
const IFLS_START: u32 = 0b010 << IFLS_TX | 0b010 << IFLS_RX;

// IMSC, RIS, MIS and ICR.
pub const INTERRUPT_RX: u32 = 1 << 4;
pub const INTERRUPT_TX: u32 = 1 << 5;
pub const INTERRUPT_RT: u32 = 1 << 6;

/// Bytes that each FIFO holds.
pub const FIFO_DEPTH: usize = 32;

/// Bytes that each value of an IFLS field stands for: 1/8, 1/4, 1/2, 3/4 and 7/8 of the FIFO. The
/// other values are reserved.
pub const FIFO_LEVELS: [usize; 8] = [4, 8, 16, 24, 28, 28, 28, 28];

/// UARTPeriphID0 to 3 (part 0x011, designer 0x41, revision 3: r1p5) and UARTPCellID0 to 3.
pub const IDENTIFICATION: [u32; 8] = [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1];
