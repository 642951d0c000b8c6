//! Decodes loads and stores that the syndrome of a data abort does not describe (ISS.ISV = 0): pairs
//! of registers, and single registers with writeback of the base register.
//!
//! Vector registers, exclusive and atomic accesses and tag stores are not decoded. Compilers do not
//! use them on Device memory.

#[cfg(test)]
mod tests;

use super::mmio::MmioAccess;
use crate::arch::addr::{Ipa, PAGE_SIZE};
use crate::arch::esr::{self, Abort};

/// A load or store of one or two general registers, decoded from its instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// The access of the first register. That of a pair's second one is at the address after it.
    access: MmioAccess,
    /// The register, or the two registers of a pair.
    registers: [u8; 2],
    /// Whether there are two registers.
    is_pair: bool,
    /// The number of the base register; 31 is the stack pointer.
    pub base: u8,
    /// The address of the access, in bytes from the base register.
    offset: u64,
    /// What is added to the base register afterwards, in bytes; 0 without writeback.
    pub writeback: u64,
}

/// A class of instructions: the bits that identify it, and their values.
type Class = (u32, u32);
/// Load/store register with a 9-bit immediate and writeback (Arm ARM C4.1, "Load/store register
/// (immediate post-indexed)" and "(immediate pre-indexed)").
const SINGLE: Class = (0x3f20_0400, 0x3800_0400);
/// Load/store register pair with a 7-bit immediate ("Load/store no-allocate pair (offset)" and
/// "Load/store register pair (post-indexed)", "(offset)" and "(pre-indexed)").
const PAIR: Class = (0x3e00_0000, 0x2800_0000);
/// The values of the two bits that both classes have for the address, other than base plus immediate
/// without writeback. Bit 0 is set with writeback.
const POST_INDEXED: u32 = 0b01;
/// The number of the stack pointer as a base. As a transferred register it is the zero register.
const SP: u8 = 31;

impl Transfer {
    /// Decodes an A64 instruction. Returns `None` for all others, for those that are unallocated,
    /// and for those whose result is CONSTRAINED UNPREDICTABLE: a base with writeback that is
    /// transferred too, and a pair that loads one register twice.
    pub fn decode(instruction: u32) -> Option<Self> {
        let number = |bit: u32| (instruction >> bit) as u8 & 31;
        let (rt, base, rt2) = (number(0), number(5), number(10));
        let is_in = |class: Class| instruction & class.0 == class.1;
        let is_pair = is_in(PAIR);
        let (top, opc) = (instruction >> 30, instruction >> 22 & 3);
        let (index, size, is_store, sign_extends, is_wide, immediate);
        if is_pair {
            index = instruction >> 23 & 3;
            is_store = opc & 1 == 0;
            // LDPSW, which has no form without allocation (index 0).
            sign_extends = top == 1 && !is_store && index != 0;
            if (top & 1 != 0 && !sign_extends) || (!is_store && rt == rt2) {
                return None;
            }
            size = 2 + (top >> 1);
            is_wide = top != 0;
            immediate = ((instruction << 10) as i32 >> 25) << size;
        } else {
            // Signed loads into 64 bits (opc = 2) and into 32 bits (opc = 3).
            if !is_in(SINGLE) || top + opc.max(1) > 4 {
                return None;
            }
            index = instruction >> 10 & 3;
            (size, is_store, sign_extends) = (top, opc == 0, opc >= 2);
            is_wide = opc == 2 || size == 3;
            immediate = (instruction << 11) as i32 >> 23;
        }
        let writes_back = index & 1 != 0;
        if writes_back && base != SP && (rt == base || (is_pair && rt2 == base)) {
            return None;
        }
        let immediate = i64::from(immediate) as u64;
        Some(Self {
            access: MmioAccess::new(size, is_store, sign_extends, is_wide),
            registers: [rt, rt2],
            is_pair,
            base,
            offset: if index == POST_INDEXED { 0 } else { immediate },
            writeback: if writes_back { immediate } else { 0 },
        })
    }

    /// Returns the accesses, each with the next address.
    pub fn accesses(&self) -> impl Iterator<Item = MmioAccess> {
        let registers = &self.registers[..1 + usize::from(self.is_pair)];
        registers.iter().map(|register| self.access.with_register(*register))
    }

    /// Returns whether this is the access that aborted with this ESR_EL2 at the virtual address
    /// `far`, if the base register has the value `base`. Another CPU of the guest may have changed
    /// the instruction since. Bits 63:56, which may be a tag, are not compared.
    pub fn has_caused(&self, esr: u64, far: u64, base: u64) -> bool {
        let is_write = esr & Abort::WRITE != 0;
        is_write == self.access.is_write() && (base.wrapping_add(self.offset) ^ far) << 8 == 0
    }

    /// Returns whether the access at this offset of an emulated device can be emulated: each
    /// register at a multiple of its size, and all in one page.
    pub fn can_be_at(&self, offset: u64) -> bool {
        let size = self.access.size();
        let bytes = size << u32::from(self.is_pair);
        offset.is_multiple_of(size) && offset % PAGE_SIZE + bytes <= PAGE_SIZE
    }
}

/// Returns the IPA of an access that the syndrome does not describe; `None` for other exceptions,
/// cache maintenance, walks of the guest's tables, and faults other than translation faults.
pub fn ipa(esr: u64, far: u64, hpfar: u64) -> Option<Ipa> {
    let is_undescribed = MmioAccess::of(esr | Abort::VALID).is_some() && esr & Abort::VALID == 0;
    is_undescribed.then(|| Ipa::new(esr::page(hpfar) | (far % PAGE_SIZE)))
}
