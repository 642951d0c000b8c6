//! A trapped load or store as an access to an emulated device, and its result as a register.

use crate::addr::Ipa;
use crate::esr::{AccessSize, DataAbort, Transfer};

/// What a vCPU asks of an emulated device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Where.
    pub ipa: Ipa,
    /// How much.
    pub size: AccessSize,
    /// What.
    pub operation: Operation,
}

/// The direction of an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// A load. Its value goes back through [`Transfer::loaded`].
    Read,
    /// A store of this value, whose bits above the access's size are zero.
    Write(u64),
}

impl Access {
    /// The access at `ipa` that `abort` stands for, or `None` for what cannot be emulated: an
    /// instruction that the syndrome does not tell, cache maintenance, the walk of the guest's
    /// tables, an unaligned access. `register` gives the value of a general register by number; 31
    /// must read as zero.
    #[must_use]
    pub fn new(abort: &DataAbort, ipa: Ipa, register: impl FnOnce(u8) -> u64) -> Option<Self> {
        let transfer = abort.transfer?;
        if abort.walk || abort.cache_maintenance || !ipa.is_aligned(transfer.size.bytes()) {
            return None;
        }
        let operation = if abort.write {
            Operation::Write(register(transfer.register) & transfer.size.mask())
        } else {
            Operation::Read
        };
        Some(Self { ipa, size: transfer.size, operation })
    }
}

impl Transfer {
    /// The value of the load's register after the device answered `value`, whose bits above the
    /// access's size are ignored.
    #[must_use]
    pub const fn loaded(&self, value: u64) -> u64 {
        let unused = 64 - self.size.bits();
        let value = value << unused;
        let value =
            if self.sign_extend { (value as i64 >> unused) as u64 } else { value >> unused };
        if self.wide { value } else { value as u32 as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esr::Fault;
    use AccessSize::{Byte, Doubleword, Halfword, Word};

    fn transfer(size: AccessSize, sign_extend: bool, wide: bool) -> Transfer {
        Transfer { size, register: 3, sign_extend, wide }
    }

    fn abort(size: AccessSize, write: bool) -> DataAbort {
        DataAbort {
            transfer: Some(transfer(size, false, false)),
            write,
            fault: Fault::Translation { level: 3 },
            walk: false,
            cache_maintenance: false,
            far_valid: true,
        }
    }

    #[test]
    fn loads_extend_as_the_instruction_says() {
        for (size, sign_extend, wide, expected) in [
            (Byte, false, false, 0x88),                       // LDRB
            (Byte, true, false, 0xffff_ff88),                 // LDRSB Wt
            (Byte, true, true, 0xffff_ffff_ffff_ff88),        // LDRSB Xt
            (Halfword, false, false, 0xf788),                 // LDRH
            (Word, false, false, 0x8566_f788),                // LDR Wt
            (Word, true, true, 0xffff_ffff_8566_f788),        // LDRSW
            (Doubleword, false, true, 0x9122_3344_8566_f788), // LDR Xt
        ] {
            let transfer = transfer(size, sign_extend, wide);
            assert_eq!(transfer.loaded(0x9122_3344_8566_f788), expected, "{transfer:?}");
        }
    }

    #[test]
    fn stores_are_cut_to_their_size() {
        let ipa = Ipa::new(0x900_0000);
        let access = Access::new(&abort(Byte, true), ipa, |n| u64::from(n) | 0xff00).unwrap();
        assert_eq!(access.operation, Operation::Write(3));
        assert_eq!(access.ipa, ipa);
        let access = Access::new(&abort(Word, false), ipa, |_| unreachable!()).unwrap();
        assert_eq!((access.size, access.operation), (Word, Operation::Read));
    }

    #[test]
    fn what_cannot_be_emulated_is_no_access() {
        let plain = abort(Word, true);
        let aligned = Ipa::new(0x1000);
        let refused = [
            (DataAbort { transfer: None, ..plain }, aligned),
            (DataAbort { walk: true, ..plain }, aligned),
            (DataAbort { cache_maintenance: true, ..plain }, aligned),
            (plain, Ipa::new(0x1002)),
        ];
        for (abort, ipa) in refused {
            assert_eq!(Access::new(&abort, ipa, |_| 0), None, "{abort:?} {ipa}");
        }
    }
}
