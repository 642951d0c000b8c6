//! The stream table of an SMMU: its layout in memory, and its entries (IHI 0070, 3.3 and 5.2).
//!
//! A small table is linear. In a table of two levels, a descriptor of the first level leads to the
//! entries of 64 streams or more, and only those that have an open stream exist. All streams that
//! are not given to a partition abort: their entries say so, or do not exist.

use alloc::vec::Vec;

use super::Features;
use crate::arch::addr::{PAGE_SIZE, Pa};
use crate::mm::tables::INPUT_BITS;
use crate::smmu::StreamState;

/// A stream table entry.
pub type Entry = [u64; 8];

/// The size of an entry in bytes, and that of a descriptor of the first level.
const ENTRY: u64 = size_of::<Entry>() as u64;
const DESCRIPTOR: u64 = 8;

/// The number of bits of StreamIDs up to which a table is linear, where there is a choice: 16 KiB.
const SMALL: u32 = 8;
/// The largest numbers of bits of StreamIDs for which there are tables: 256 KiB of descriptors, or
/// 4 MiB of entries.
const MOST_TWO_LEVELS: u32 = 24;
const MOST_LINEAR: u32 = 16;

/// The layout of a stream table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The number of bits of the StreamIDs that have entries or descriptors.
    log2: u32,
    /// In a table of two levels, the number of bits that choose the entry in a second-level table.
    split: Option<u32>,
    /// The indices of the descriptors that lead to a second-level table, ascending: `[0]` for a
    /// linear table, which is like a second-level table without a first level.
    leads: Vec<u32>,
}

/// S2R of doubleword 2 of an entry: the SMMU records the accesses that stage 2 refuses.
pub const RECORD_FAULTS: u64 = 1 << 58;

/// What a stream's entry leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reached {
    /// The VMID of the partition.
    pub vmid: u8,
    /// The root of its tables for devices, which is of level 1.
    pub root: Pa,
}

impl Layout {
    /// Returns the layout of a table for these StreamIDs.
    ///
    /// # Errors
    ///
    /// The first of `ids` that the SMMU does not have, or for which the table would be too large.
    pub fn new(features: &Features, ids: &[u32]) -> Result<Self, u32> {
        let last = ids.iter().copied().max().unwrap_or(0);
        let bits = u32::BITS - last.leading_zeros();
        let is_linear = bits <= SMALL || !features.has_two_levels;
        let most = if is_linear { MOST_LINEAR } else { MOST_TWO_LEVELS };
        if bits > features.stream_bits.min(most) {
            return Err(last);
        }
        // A page at least.
        let log2 = bits.clamp(6.min(features.stream_bits), MOST_TWO_LEVELS);
        if is_linear {
            return Ok(Self { log2, split: None, leads: Vec::from([0]) });
        }
        // The sizes of second-level tables that there are: 4, 16 and 64 KiB.
        let split = if log2 <= 16 { 6 } else { 10 };
        let mut leads = Vec::new();
        for lead in ids.iter().map(|id| id >> split) {
            if let Err(place) = leads.binary_search(&lead) {
                leads.insert(place, lead);
            }
        }
        Ok(Self { log2, split: Some(split), leads })
    }

    /// Returns the size of the first level in bytes, a multiple of its alignment; 0 if the table is
    /// linear.
    fn first_level(&self) -> u64 {
        let size = |split| DESCRIPTOR << (self.log2 - split);
        self.split.map_or(0, size).next_multiple_of(if self.split.is_some() {
            PAGE_SIZE
        } else {
            1
        })
    }

    /// Returns the size in bytes of each table with entries.
    fn entries(&self) -> u64 {
        ENTRY << self.split.unwrap_or(self.log2)
    }

    /// Returns the alignment of the whole table: each of its parts must start at a multiple of its
    /// size (SMMU_STRTAB_BASE, and L2Ptr of a descriptor).
    pub fn align(&self) -> u64 {
        self.first_level().max(self.entries()).next_power_of_two().max(PAGE_SIZE)
    }

    /// Returns the number of bytes from the start of the table to the first part with entries.
    fn first_entries(&self) -> u64 {
        self.first_level().next_multiple_of(self.entries())
    }

    /// Returns the size of the whole table in bytes, in whole pages.
    pub fn size(&self) -> u64 {
        let size = self.first_entries() + self.leads.len() as u64 * self.entries();
        size.next_multiple_of(PAGE_SIZE)
    }

    /// Returns SMMU_STRTAB_BASE_CFG.
    pub fn base_cfg(&self) -> u32 {
        const TWO_LEVELS: u32 = 1 << 16;
        self.log2 | self.split.map_or(0, |split| TWO_LEVELS | split << 6)
    }

    /// Returns the offset in bytes of a stream's entry; `None` if it has none.
    pub fn offset(&self, id: u32) -> Option<u64> {
        let split = self.split.unwrap_or(self.log2);
        let lead = id.checked_shr(split).unwrap_or(0);
        let table = self.leads.binary_search(&lead).ok()? as u64;
        let index = u64::from(id) & ((1 << split) - 1);
        Some(self.first_entries() + table * self.entries() + index * ENTRY)
    }

    /// Calls `store` with the offset in bytes and the value of each doubleword that is not zero,
    /// for a table at `base` in which all streams are closed.
    pub fn write_closed(&self, base: Pa, store: &mut dyn FnMut(u64, u64)) {
        let (first, entries) = (self.first_entries(), self.entries());
        for (table, lead) in (0..).zip(&self.leads) {
            let table = first + table * entries;
            if let Some(split) = self.split {
                // Span in bits 4:0, L2Ptr above.
                let descriptor = (base.get() + table) | u64::from(split + 1);
                store(u64::from(*lead) * DESCRIPTOR, descriptor);
            }
            for offset in (table..table + entries).step_by(ENTRY as usize) {
                store(offset, StreamState::Closed.word());
            }
        }
    }
}

impl Reached {
    /// Returns the entry of a stream that is closed and, once its first doubleword is that of
    /// [`StreamState::Open`], leads here.
    pub fn entry(self, features: &Features) -> Entry {
        // Bits of doubleword 1: MEV, which allows similar events to be recorded as one, and SHCFG =
        // 1, "use incoming". EATS = 0: requests for translations by devices are refused.
        const MEV: u64 = 1 << 19;
        const SHCFG_INCOMING: u64 = 1 << 44;
        // Bits of doubleword 2: S2SL0 = 1, which is level 1 with a granule of 4 KiB (S2TG = 0);
        // walks as EL2's own walks are, if they are coherent; S2AA64; S2AFFD, no faults by the
        // access flag; S2R, refused accesses are recorded. S2S = 0: they are not stalled.
        const S2SL0: u64 = 1 << 38;
        const WALKS_CACHED: u64 = 0b01 << 40 | 0b01 << 42 | 0b11 << 44;
        const S2AA64: u64 = 1 << 51;
        const S2AFFD: u64 = 1 << 53;
        let walks = if features.is_coherent { WALKS_CACHED } else { 0 };
        let t0sz = u64::from(u64::BITS - INPUT_BITS) << 32;
        let output = u64::from(features.output_size) << 48;
        let vmid = u64::from(self.vmid);
        let stage_2 = vmid | t0sz | S2SL0 | walks | output | S2AA64 | S2AFFD | RECORD_FAULTS;
        let [closed, attributes] = [StreamState::Closed.word(), MEV | SHCFG_INCOMING];
        [closed, attributes, stage_2, self.root.get(), 0, 0, 0, 0]
    }
}

#[cfg(test)]
mod tests;
