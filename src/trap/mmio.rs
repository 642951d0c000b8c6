//! Decodes trapped loads and stores of emulated devices, and computes what a load puts into its
//! register.

use crate::arch::addr::{Ipa, PAGE_SIZE};
use crate::arch::esr::{self, Abort};
use crate::devices::address_map::DISTRIBUTOR;

/// A load or store of one general register that can be emulated.
///
/// Holds ESR_EL2 of its data abort, whose fields SAS, SSE, SRT, SF and WnR describe it (Arm ARM
/// D24.2, ISS encoding for an exception from a Data Abort).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MmioAccess(u64);

impl MmioAccess {
    /// ISS.DFSC of a translation fault, without the level.
    const TRANSLATION_FAULT: u64 = 0b0001 << 2;
    /// ISS.DFSC without the level.
    const FAULT: u64 = 0b1111 << 2;
    /// The fields that decide whether an access can be emulated.
    const KIND: u64 =
        Abort::CLASS | Abort::VALID | Abort::CACHE_MAINTENANCE | Abort::WALK | Self::FAULT;
    /// The values of these fields if it can.
    const EMULATED: u64 = Abort::OF_DATA | Abort::VALID | Self::TRANSLATION_FAULT;
    /// ISS.SAS.
    const SIZE: u64 = 0b11 << 22;
    /// ISS.SSE.
    const SIGN_EXTEND: u64 = 1 << 21;
    /// ISS.SF: the register is of 64 bits.
    const WIDE: u64 = 1 << 15;
    /// ISS.SAS of an access of 32 bits.
    const WORD: u64 = 0b10 << 22;

    /// Decodes ESR_EL2. Returns `None` for what cannot be emulated: anything but a data abort, an
    /// instruction that the syndrome does not describe, cache maintenance, a walk of the guest's
    /// tables, and any fault but a translation fault.
    #[inline(always)]
    pub const fn of(esr: u64) -> Option<Self> {
        if esr & Self::KIND == Self::EMULATED { Some(Self(esr)) } else { None }
    }

    /// Creates the access of `1 << size` bytes (`size` is 0 to 3) of register 0, as a store or as a
    /// load with SSE and SF as given.
    pub(super) fn new(size: u32, is_store: bool, sign_extends: bool, is_wide: bool) -> Self {
        let store = u64::from(is_store) * Abort::WRITE;
        let extension = u64::from(sign_extends) * Self::SIGN_EXTEND;
        let width = u64::from(is_wide) * Self::WIDE;
        Self(Self::EMULATED | u64::from(size) << 22 | store | extension | width)
    }

    /// Returns the same access of another register; this one must be of register 0.
    pub(super) fn with_register(self, register: u8) -> Self {
        Self(self.0 | u64::from(register) << 16)
    }

    /// Decodes ESR_EL2 as [`of`](Self::of) does, if it is a store of 32 bits.
    #[inline(always)]
    pub const fn word_store(esr: u64) -> Option<Self> {
        const KIND: u64 = MmioAccess::KIND | MmioAccess::SIZE | Abort::WRITE;
        const EXPECTED: u64 = MmioAccess::EMULATED | MmioAccess::WORD | Abort::WRITE;
        if esr & KIND == EXPECTED { Some(Self(esr)) } else { None }
    }

    /// Returns the IPA that it accesses, from FAR_EL2 and HPFAR_EL2; `None` if that is not a
    /// multiple of its size.
    #[inline(always)]
    pub const fn ipa(self, far: u64, hpfar: u64) -> Option<Ipa> {
        let ipa = Ipa::new(esr::page(hpfar) | far & (PAGE_SIZE - 1));
        if ipa.is_aligned(self.size()) { Some(ipa) } else { None }
    }

    /// Returns whether this offset from the start of a page is a multiple of its size.
    #[inline(always)]
    pub const fn is_aligned(self, offset: u64) -> bool {
        offset & (self.size() - 1) == 0
    }

    /// Returns its size in bytes: 1, 2, 4 or 8.
    pub const fn size(self) -> u64 {
        1 << (self.0 >> 22 & 3)
    }

    /// Returns the number of the general register; 31 is the zero register.
    pub const fn register(self) -> u8 {
        register(self.0)
    }

    /// Returns whether it is a store.
    pub const fn is_write(self) -> bool {
        self.0 & Abort::WRITE != 0
    }

    /// Returns what a store writes if its register has this value: the value cut to the size.
    pub const fn stored(self, register: u64) -> u64 {
        register & u64::MAX >> self.unused_bits()
    }

    /// Returns what a load puts into its register if the device returns `value`, whose bits above
    /// the size are ignored.
    #[inline(always)]
    pub const fn loaded(self, value: u64) -> u64 {
        let unused = self.unused_bits();
        let value = value << unused;
        if self.0 & Self::SIGN_EXTEND == 0 {
            // Zero extension is the same for both widths of the register.
            return value >> unused;
        }
        let value = (value as i64 >> unused) as u64;
        if self.0 & Self::WIDE != 0 { value } else { value as u32 as u64 }
    }

    /// Returns how many of a register's 64 bits it does not transfer.
    const fn unused_bits(self) -> u64 {
        64 - 8 * self.size()
    }
}

/// Returns the number of the general register of an access, from ESR_EL2: ISS.SRT.
#[inline(always)]
pub const fn register(esr: u64) -> u8 {
    (esr >> 16) as u8 & 31
}

/// Returns the offset of an access from the start of the distributor, in bytes, from FAR_EL2 and
/// HPFAR_EL2, if it is in the distributor's first page. Cheaper than [`MmioAccess::ipa`]: HPFAR_EL2
/// is compared as a whole, so that an access with one of its reserved bits set counts as elsewhere.
#[inline(always)]
pub const fn distributor_offset(far: u64, hpfar: u64) -> Option<u64> {
    if hpfar == esr::hpfar(DISTRIBUTOR) { Some(far & (PAGE_SIZE - 1)) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WRITE: u64 = 1 << 6;
    const BYTE: u64 = 0;
    const HALFWORD: u64 = 1;
    const WORD: u64 = 2;
    const DOUBLEWORD: u64 = 3;

    /// The ISS of a load or store (WnR in `other`) of x3, with a translation fault at level 3.
    fn iss(size: u64, other: u64) -> u64 {
        1 << 24 | size << 22 | 3 << 16 | other | 0b000111
    }

    fn access(iss: u64) -> Option<MmioAccess> {
        MmioAccess::of(Abort::data(iss).syndrome())
    }

    #[test]
    fn loads_extend_as_the_instruction_says() {
        for (size, sign_extend, wide, expected) in [
            (BYTE, false, false, 0x88),                       // LDRB
            (BYTE, true, false, 0xffff_ff88),                 // LDRSB Wt
            (BYTE, true, true, 0xffff_ffff_ffff_ff88),        // LDRSB Xt
            (HALFWORD, false, false, 0xf788),                 // LDRH
            (WORD, false, false, 0x8566_f788),                // LDR Wt
            (WORD, true, true, 0xffff_ffff_8566_f788),        // LDRSW
            (DOUBLEWORD, false, true, 0x9122_3344_8566_f788), // LDR Xt
        ] {
            let iss = iss(size, u64::from(sign_extend) << 21 | u64::from(wide) << 15);
            let access = access(iss).unwrap();
            assert_eq!(access.loaded(0x9122_3344_8566_f788), expected, "{access:?}");
        }
    }

    #[test]
    fn a_store_as_qemu_reports_it() {
        // STR W2, not sign-extended, not wide.
        let access = access(1 << 24 | 2 << 22 | 2 << 16 | WRITE | 7).unwrap();
        assert_eq!((access.size(), access.register(), access.is_write()), (4, 2, true));
        assert_eq!(access.loaded(u64::MAX), 0xffff_ffff);
    }

    #[test]
    fn a_signed_load_into_the_zero_register() {
        let access = access(1 << 24 | 1 << 21 | 31 << 16 | 1 << 15 | 5).unwrap();
        assert_eq!((access.size(), access.register(), access.is_write()), (1, 31, false));
        assert_eq!(access.loaded(0x80), 0xffff_ffff_ffff_ff80);
    }

    #[test]
    fn stored_values_are_cut_to_the_size() {
        let byte = access(iss(BYTE, WRITE)).unwrap();
        assert_eq!((byte.is_write(), byte.register(), byte.size()), (true, 3, 1));
        assert_eq!(byte.stored(0xff03), 3);
        let double = access(iss(DOUBLEWORD, WRITE)).unwrap();
        assert_eq!((double.size(), double.stored(u64::MAX)), (8, u64::MAX));
        let word = access(iss(WORD, 0)).unwrap();
        assert_eq!((word.is_write(), word.size()), (false, 4));
    }

    #[test]
    fn accesses_that_cannot_be_emulated_are_refused() {
        let plain = iss(WORD, WRITE);
        assert!(access(plain).is_some());
        let refused = [
            plain & !(1 << 24),
            plain | Abort::WALK,
            Abort::WALK | 0x05,
            Abort::WALK | 0x0d,
            plain | Abort::CACHE_MAINTENANCE,
            // A permission fault, an external abort, an alignment fault.
            plain & !0x3f | 0b001111,
            plain & !0x3f | 0b010000,
            plain & !0x3f | 0b100001,
        ];
        for iss in refused {
            assert_eq!(access(iss), None, "{iss:#x}");
        }
        // Instruction aborts, and data aborts from EL2 itself.
        for class in [0x20_u64, 0x25] {
            assert_eq!(MmioAccess::of(class << 26 | plain), None, "{class:#x}");
        }
    }

    #[test]
    fn the_address_is_that_of_the_abort() {
        let access = access(iss(WORD, 0)).unwrap();
        for (far, hpfar) in [(0xffff_0000_1234_5678, 0x9_0000), (0xfff, 0xf000_0000_0000_001f)] {
            let abort = Abort::data(iss(WORD, 0));
            assert_eq!(access.ipa(far & !3, hpfar), abort.ipa(far & !3, hpfar));
        }
        for offset in 0..8 {
            assert_eq!(access.ipa(0x1000 + offset, 0).is_some(), offset % 4 == 0, "{offset}");
        }
    }

    proptest! {
        #[test]
        fn any_access_has_a_register_and_a_size(iss in 0_u64..1 << 25) {
            if let Some(access) = access(iss) {
                prop_assert!(access.register() < 32 && matches!(access.size(), 1 | 2 | 4 | 8));
            }
        }
    }
}
