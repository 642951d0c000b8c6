//! What boot decides from the values of the interrupt controller's registers, which the machine's
//! tree does not say.

use crate::arch::addr::{Pa, Region};

/// The size of a GICC each of whose two pages is repeated over 64 KiB, for kernels with pages of
/// 64 KiB (Server Base System Architecture, DEN0029, appendix F).
const ALIASED_GICC_SIZE: u64 = 0x2_0000;
/// The last repetition of the first page, which the first one of the second page follows.
const LAST_ALIAS: u64 = 0xf000;
/// GICC_IIDR, which identifies the CPU interface and is not 0 (IHI 0048B, 4.4.15).
const GICC_IIDR: u64 = 0xfc;

/// Returns the offset in GICC at which its two pages follow each other. `read` reads a 32-bit
/// register at an offset.
///
/// In a GICC of 128 KiB whose pages are repeated, GICC_DIR is not at 0x1000, where GICC_CTLR is
/// repeated. The tree does not say whether they are.
pub fn gicc_offset(gicc: Region<Pa>, read: &dyn Fn(u64) -> u32) -> u64 {
    let is_aliased = || {
        let id = read(GICC_IIDR);
        id != 0 && id == read(LAST_ALIAS + GICC_IIDR)
    };
    if gicc.size() == ALIASED_GICC_SIZE && is_aliased() { LAST_ALIAS } else { 0 }
}

/// Returns the number of registers GICD_ICENABLER<n>E, with 32 extended SPIs each: GICD_TYPER.ESPI,
/// bit 8, and ESPI_range, bits 31:27 (IHI 0069, 12.9.38).
pub fn extended_spi_words(gicd_typer: u32) -> u64 {
    match gicd_typer >> 8 & 1 {
        0 => 0,
        _ => u64::from(gicd_typer >> 27) + 1,
    }
}

/// Returns the number of registers GICR_ICENABLER<n>E, with 32 extended PPIs each:
/// GICR_TYPER.PPInum, bits 31:27, whose values above 2 are reserved (IHI 0069, 12.11.35).
pub fn extended_ppi_words(gicr_typer: u64) -> u64 {
    (gicr_typer >> 27 & 0x1f).min(2)
}

/// The bytes of a redistributor's two frames: RD_base and SGI_base (IHI 0069, 12.10).
pub const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;
/// GICR_TYPER.VLPIS: two more frames for virtual LPIs follow (IHI 0069, 12.11.35).
const GICR_TYPER_VLPIS: u64 = 1 << 1;

/// Returns the number of bytes from a redistributor to the next one: `redistributor-stride` of the
/// tree if it has that, or else the size of its frames.
pub fn redistributor_stride(of_tree: Option<u64>, gicr_typer: u64) -> u64 {
    let has_vlpis = gicr_typer & GICR_TYPER_VLPIS != 0;
    of_tree.unwrap_or(if has_vlpis { 2 * REDISTRIBUTOR_SIZE } else { REDISTRIBUTOR_SIZE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_an_aliased_gicc_follow_each_other_at_0xf000() {
        let gicc = |size| Region::new(Pa::new(0xf902_0000), size).unwrap();
        let aliased = |offset: u64| match offset & 0x1_0fff {
            0xfc => 0x0202_043b,
            _ => 0,
        };
        let plain = |offset: u64| if offset == 0xfc { 0x0202_043b } else { 0 };
        let none = |_| 0;
        assert_eq!(gicc_offset(gicc(0x2_0000), &aliased), 0xf000);
        // The size alone says nothing, and no register past a smaller GICC is read.
        assert_eq!(gicc_offset(gicc(0x2_0000), &plain), 0);
        assert_eq!(gicc_offset(gicc(0x2_0000), &none), 0);
        let within = |offset| {
            assert!(offset < 0x2000);
            0x0202_043b
        };
        assert_eq!(gicc_offset(gicc(0x2000), &within), 0);
    }

    #[test]
    fn redistributors_follow_each_other_as_the_tree_or_their_frames_say() {
        assert_eq!(redistributor_stride(None, 0x10), 0x2_0000);
        assert_eq!(redistributor_stride(None, 0x12), 0x4_0000);
        // HiSilicon's Hip05.
        assert_eq!(redistributor_stride(Some(0x3_0000), 0x10), 0x3_0000);
        assert_eq!(redistributor_stride(Some(0x3_0000), 0x12), 0x3_0000);
    }

    #[test]
    fn extended_interrupts_are_counted_where_they_exist() {
        assert_eq!(extended_spi_words(0xf800_0000), 0, "the range means nothing without ESPI");
        assert_eq!(extended_spi_words(1 << 8), 1);
        assert_eq!(extended_spi_words(0xf800_0100), 32);
        assert_eq!([0, 1, 2, 3].map(|number| extended_ppi_words(number << 27)), [0, 1, 2, 2]);
        assert_eq!(extended_ppi_words(0xffff_ffff_07ff_ffff), 0, "the affinity is above");
    }
}
