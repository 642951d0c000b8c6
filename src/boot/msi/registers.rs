//! The registers of an ITS and of redistributors that Bulkhead uses for LPIs, by their offsets in
//! bytes, and the values that it writes once (IHI 0069, 12.11 and 12.19).

use crate::arch::addr::PAGE_SIZE;

/// The size of an ITS in bytes: the control frame, then the frame of the register for messages.
pub const ITS_SIZE: u64 = 0x2_0000;
/// The offset of the frame in which GITS_TRANSLATER is, at 0x40. Nothing else is in that frame, in
/// which accesses to other offsets have no effect (IHI 0069, 12.18).
pub const TRANSLATION_FRAME: u64 = 0x1_0000;

/// GITS_CTLR.
pub const CTLR: u64 = 0x0000;
/// GITS_CTLR: the ITS is enabled.
pub const CTLR_ENABLED: u32 = 1 << 0;
/// GITS_CTLR: it is quiescent, after it has been disabled.
pub const CTLR_QUIESCENT: u32 = 1 << 31;
/// GITS_TYPER, 64 bits.
pub const TYPER: u64 = 0x0008;
/// GITS_CBASER, 64 bits: the command queue.
pub const CBASER: u64 = 0x0080;
/// GITS_CWRITER, 64 bits: the offset behind the last command.
pub const CWRITER: u64 = 0x0088;
/// GITS_CREADR, 64 bits: the offset of the next command to be carried out.
pub const CREADR: u64 = 0x0090;
/// GITS_CREADR: a command is wrong, and no further one is carried out.
pub const CREADR_STALLED: u64 = 1 << 0;
/// GITS_BASER0, 64 bits, the first of eight.
pub const BASER: u64 = 0x0100;
/// The number of registers GITS_BASER<n>.
pub const BASERS: usize = 8;

/// GICR_TYPER: there are physical LPIs.
pub const GICR_TYPER_PLPIS: u64 = 1 << 0;
/// GICR_PROPBASER, 64 bits.
pub const PROPBASER: u64 = 0x0070;
/// GICR_PENDBASER, 64 bits.
pub const PENDBASER: u64 = 0x0078;

/// Shareability in bits 11:10 of all these registers: Inner Shareable.
pub const INNER_SHAREABLE: u64 = 0b01 << 10;
/// The field of shareability, which reads as zeros if accesses are not coherent.
pub const SHAREABILITY: u64 = 0b11 << 10;
/// InnerCache, in bits 61:59 of GITS_CBASER and GITS_BASER<n>, and in 9:7 of the redistributors'
/// registers: read- and write-allocate, write-back.
const CACHED: u64 = 0b111;
/// The attributes of an ITS's accesses.
pub const ITS_ACCESS: u64 = CACHED << 59 | INNER_SHAREABLE;
/// The attributes of a redistributor's accesses.
pub const GICR_ACCESS: u64 = CACHED << 7 | INNER_SHAREABLE;
/// The same, if accesses that are not coherent are the only ones: InnerCache is Non-cacheable.
pub const ITS_ACCESS_NOT_COHERENT: u64 = 0b001 << 59;
/// The same for a redistributor.
pub const GICR_ACCESS_NOT_COHERENT: u64 = 0b001 << 7;
/// Valid of GITS_CBASER and GITS_BASER<n>.
pub const VALID: u64 = 1 << 63;
/// PTZ of GICR_PENDBASER: the table is zeros.
pub const PENDING_IS_ZERO: u64 = 1 << 62;

/// The configuration of an LPI that is enabled (IHI 0069, 5.1.1), with the priority that guests'
/// interrupts have. Bit 1 is reserved, and one.
pub const LPI_ENABLED: u8 = 0xa0 | 1 << 1 | 1;

/// Returns a value of GITS_CBASER or GITS_BASER<n> for `size` bytes at an address, in pages of
/// `page` bytes, which is a multiple of 4 KiB. `kept` has the bits of other fields.
pub const fn base(start: u64, size: u64, page: u64, kept: u64) -> u64 {
    VALID | kept | start | (size / page).wrapping_sub(1)
}

/// The bits of GITS_BASER<n> that say the size of a page: 0 is 4 KiB, 1 is 16 KiB, 2 is 64 KiB.
pub const PAGE_FIELD: u64 = 0b11 << 8;

/// That field for pages of 64 KiB.
pub const PAGE_64K: u64 = 0b10 << 8;
/// The address in GITS_BASER<n>, below 256 TiB.
pub const BASE_ADDRESS: u64 = 0xffff_ffff_f000;

/// Returns the size of the pages in bytes that a value of GITS_BASER<n> says.
pub const fn page_size(baser: u64) -> u64 {
    match baser & PAGE_FIELD {
        0 => PAGE_SIZE,
        0x100 => 4 * PAGE_SIZE,
        _ => 16 * PAGE_SIZE,
    }
}
