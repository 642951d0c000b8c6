//! Which interrupts get the list registers.

use super::hardware::{HCR_GROUP_CHANGED, HCR_LRENPIE, HCR_NPIE, HCR_TDIR};

/// Why an interrupt wants a list register, the most urgent reason first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Pending, and the guest can take it.
    Pending,
    /// Active. Whether it is pending again matters only when it has ended.
    Active,
    /// Pending, in a group that the guest has disabled at its CPU interface.
    DisabledGroup,
}

/// One that wants a list register, in one number: its need, its priority, its INTID, and whether it is
/// pending (again, if it is active), from the highest bits down. The smaller, the more urgent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate(u32);

impl Candidate {
    /// Less urgent than any.
    pub const NONE: Self = Self(u32::MAX);

    pub fn new(need: Need, priority: u8, intid: usize, pending: bool) -> Self {
        let intid = intid as u32 & 0x3ff;
        Self((need as u32) << 24 | u32::from(priority) << 16 | intid << 1 | u32::from(pending))
    }

    pub fn need(self) -> Need {
        match self.0 >> 24 {
            0 => Need::Pending,
            1 => Need::Active,
            _ => Need::DisabledGroup,
        }
    }

    pub fn intid(self) -> usize {
        (self.0 >> 1) as usize & 0x3ff
    }

    pub fn is_pending(self) -> bool {
        self.0 & 1 != 0
    }
}

/// The most urgent candidates, and what is known of the others.
pub(super) struct Selection {
    /// The most urgent first; then none.
    chosen: [Candidate; 16],
    room: usize,
    /// The groups that the guest has enabled at its CPU interface: bit n for Group n.
    pub group_enables: u32,
    /// The needs of those that are left over: bit n for `Need` n.
    left: u32,
}

impl Selection {
    /// No candidates yet, for `room` list registers, 16 at most.
    pub fn new(room: usize, group_enables: u32) -> Self {
        Self { chosen: [Candidate::NONE; 16], room, group_enables, left: 0 }
    }

    /// Chooses this candidate if it is among the most urgent so far.
    pub fn offer(&mut self, mut candidate: Candidate) {
        for chosen in self.chosen.iter_mut().take(self.room) {
            if candidate < *chosen {
                core::mem::swap(chosen, &mut candidate);
            }
        }
        if candidate != Candidate::NONE {
            self.left |= 1 << candidate.need() as u32;
        }
    }

    /// The most urgent.
    pub fn chosen(&self) -> impl Iterator<Item = Candidate> {
        self.chosen.iter().copied().take_while(|&candidate| candidate != Candidate::NONE)
    }

    /// Whether there was no room for all of this need.
    pub fn leaves(&self, need: Need) -> bool {
        self.left >> need as u32 & 1 != 0
    }

    /// The maintenance interrupts that tell when those left over may be better off.
    pub fn maintenance(&self) -> u32 {
        let mut wanted = 0;
        if self.leaves(Need::Pending) {
            wanted |= HCR_NPIE;
        }
        if self.leaves(Need::Pending) || self.leaves(Need::DisabledGroup) {
            wanted |= HCR_GROUP_CHANGED[(self.group_enables & 0b11) as usize];
        }
        if self.leaves(Need::Active) {
            wanted |= HCR_LRENPIE | HCR_TDIR;
        }
        wanted
    }
}
