//! The choice of the interrupts that get a list register.

use super::bank::Bank;
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

impl Need {
    /// All needs in order.
    const ALL: [Self; 3] = [Self::Pending, Self::Active, Self::DisabledGroup];
}

/// An interrupt that needs a list register, as a number: from the highest bits down its need, its
/// priority and its INTID. A smaller number is more urgent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Candidate(u32);

impl Candidate {
    /// No interrupt: less urgent than all others.
    pub const NONE: Self = Self(u32::MAX);

    /// Returns the candidate for the most urgent interrupt in `mask`, which is not empty, of a bank.
    pub fn best_of(need: Need, mask: u32, bank: &Bank) -> Self {
        let bit = bank.most_urgent(mask);
        let priority = u32::from(bank.templates[bit].priority());
        let intid = (bank.all.word() * 32 + bit) as u32;
        Self((need as u32) << 24 | priority << 16 | intid)
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
        self.0 as usize & 0x3ff
    }
}

/// The interrupts of a word that need a list register of a vCPU and have none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// The most urgent of them.
    pub best: Candidate,
    /// All of them, by [`Need`].
    needs: [u32; 3],
}

impl Default for Offer {
    /// Offers nothing.
    fn default() -> Self {
        Self { best: Candidate::NONE, needs: [0; 3] }
    }
}

impl Offer {
    /// Returns what a bank offers, given its interrupts by [`Need`].
    pub fn new(needs: [u32; 3], bank: &Bank) -> Self {
        let mut offer = Self { needs, ..Self::default() };
        offer.find_best(bank);
        offer
    }

    /// Removes the best one, which gets a list register.
    pub fn take_best(&mut self, bank: &Bank) {
        let Candidate(best) = self.best;
        if let Some(mask) = self.needs.get_mut(self.best.need() as usize) {
            *mask &= !(1 << (best % 32));
        }
        self.find_best(bank);
    }

    // One copy for all callers.
    #[inline(never)]
    fn find_best(&mut self, bank: &Bank) {
        let first = Need::ALL.into_iter().zip(self.needs).find(|(_, mask)| *mask != 0);
        self.best =
            first.map_or(Candidate::NONE, |(need, mask)| Candidate::best_of(need, mask, bank));
    }

    /// Returns the needs of those that it still has: bit n for `Need` n.
    pub fn left(&self) -> u32 {
        let [pending, active, disabled] = self.needs.map(|mask| u32::from(mask != 0));
        pending | active << 1 | disabled << 2
    }
}

/// Returns whether interrupts with this need are among those of `left`: bit n for `Need` n.
pub(super) fn leaves(left: u32, need: Need) -> bool {
    left >> need as u32 & 1 != 0
}

/// Returns the maintenance interrupts after which an interrupt that did not fit may fit, and the
/// trap that an active one needs, as bits of the hypervisor control register. `left` are the needs
/// of those that did not fit; `group_enables` are the groups that the guest enabled at its CPU
/// interface, bit n for Group n.
pub(super) fn maintenance(left: u32, group_enables: u32, version: Version) -> u32 {
    let mut requested = 0;
    if leaves(left, Need::Pending) {
        requested |= HCR_NPIE;
    }
    if leaves(left, Need::Pending) || leaves(left, Need::DisabledGroup) {
        requested |= HCR_GROUP_CHANGED[(group_enables & 0b11) as usize];
    }
    if leaves(left, Need::Active) {
        requested |= HCR_LRENPIE;
        // On GICv2 every write to GICC_DIR traps.
        requested |= if version == Version::V3 { HCR_TDIR } else { 0 };
    }
    requested
}
