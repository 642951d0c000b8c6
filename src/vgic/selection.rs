//! The choice of the interrupts that get a list register.

use super::config::Version;
use super::hardware::{HCR_GROUP_CHANGED, HCR_LRENPIE, HCR_NPIE, HCR_TDIR};

/// Why an interrupt needs a list register, the most urgent reason first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Pending, and the guest can take it.
    Pending,
    /// Active. If it is also pending, it is not delivered before its deactivation.
    Active,
    /// Pending, in a group that the guest has disabled at its CPU interface.
    DisabledGroup,
}

/// An interrupt that needs a list register, as a number: from the highest bits down its need, its
/// priority, its INTID, and whether it is pending (again, if it is active). A smaller number is
/// more urgent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate(u32);

impl Candidate {
    /// No interrupt: less urgent than all others.
    pub const NONE: Self = Self(u32::MAX);

    /// No interrupt: at least as urgent as all others.
    const LIMIT: Self = Self(0);

    /// Returns the candidate for an interrupt.
    pub fn new(need: Need, priority: u8, intid: usize, pending: bool) -> Self {
        let intid = intid as u32 & 0x3ff;
        Self((need as u32) << 24 | u32::from(priority) << 16 | intid << 1 | u32::from(pending))
    }

    /// Returns why it needs a list register.
    pub fn need(self) -> Need {
        match self.0 >> 24 {
            0 => Need::Pending,
            1 => Need::Active,
            _ => Need::DisabledGroup,
        }
    }

    /// Returns the INTID.
    pub fn intid(self) -> usize {
        (self.0 >> 1) as usize & 0x3ff
    }

    /// Returns whether it is pending.
    pub fn is_pending(self) -> bool {
        self.0 & 1 != 0
    }
}

/// The index of the last entry of [`Selection::chosen`], and the highest number of list registers.
const LAST: usize = 16;

/// The most urgent candidates and the needs of the others.
pub(super) struct Selection {
    /// The most urgent candidates in order, in the last entries; those that are unused are
    /// `Candidate::NONE`, and the one before them is `Candidate::LIMIT`.
    chosen: [Candidate; LAST + 1],
    /// The index of the first of them.
    first: usize,
    /// The groups that the guest enabled at its CPU interface: bit n for Group n.
    pub group_enables: u32,
    /// The needs of the candidates that did not fit: bit n for `Need` n.
    pub left: u32,
}

impl Selection {
    /// Returns an empty selection for `count` list registers, at most 16.
    pub fn new(count: usize, group_enables: u32) -> Self {
        let first = LAST + 1 - count.min(LAST);
        let mut chosen = [Candidate::NONE; LAST + 1];
        chosen[first - 1] = Candidate::LIMIT;
        Self { chosen, first, group_enables, left: 0 }
    }

    /// Adds a candidate, which replaces the least urgent one if all list registers are in use.
    /// Returns the need of the one that does not fit, as a bit for `left`. The shortest path is
    /// that of a candidate that is less urgent than all that are chosen: if many interrupts are
    /// pending, most are.
    #[inline(always)]
    pub fn offer(&mut self, candidate: Candidate) -> u32 {
        let last = self.chosen[LAST];
        // For `Candidate::NONE` a bit that nobody reads.
        let left = 1 << (last.max(candidate).0 >> 24 & 0x1f);
        if candidate >= last {
            return left;
        }
        let mut place = LAST;
        while let Some(&before) = self.chosen.get(place.wrapping_sub(1))
            && candidate < before
        {
            self.chosen[place] = before;
            place -= 1;
        }
        self.chosen[place] = candidate;
        left
    }

    /// Returns the chosen candidates, the most urgent first.
    pub fn chosen(&self) -> impl Iterator<Item = Candidate> {
        let chosen = self.chosen.iter().copied().skip(self.first);
        chosen.take_while(|&candidate| candidate != Candidate::NONE)
    }

    /// Returns whether a candidate with this need did not fit.
    pub fn leaves(&self, need: Need) -> bool {
        self.left >> need as u32 & 1 != 0
    }

    /// Returns the maintenance interrupts after which a candidate that did not fit may fit, and the
    /// trap that an active one needs, as bits of the hypervisor control register.
    pub fn maintenance(&self, version: Version) -> u32 {
        let mut requested = 0;
        if self.leaves(Need::Pending) {
            requested |= HCR_NPIE;
        }
        if self.leaves(Need::Pending) || self.leaves(Need::DisabledGroup) {
            requested |= HCR_GROUP_CHANGED[(self.group_enables & 0b11) as usize];
        }
        if self.leaves(Need::Active) {
            requested |= HCR_LRENPIE;
            // On GICv2 every write to GICC_DIR traps.
            requested |= if version == Version::V3 { HCR_TDIR } else { 0 };
        }
        requested
    }
}
