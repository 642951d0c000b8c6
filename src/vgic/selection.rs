//! Which interrupts get the list registers.

use super::hardware::{HCR_GROUP_DISABLED, HCR_GROUP_ENABLED, HCR_LRENPIE, HCR_NPIE, HCR_TDIR};

/// Why an interrupt wants a list register, the most urgent reason first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Pending, and the guest can take it.
    Pending,
    /// Active. Whether it is pending again matters only when it has ended.
    Active,
    /// Pending, in a group that the guest has disabled at its CPU interface.
    DisabledGroup,
}

/// One that wants a list register. The smaller, the more urgent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate(u32);

impl Candidate {
    /// The interrupt `intid`, and whether it is pending (again, if it is active).
    pub fn new(need: Need, priority: u8, intid: usize, pending: bool) -> Self {
        let key = (need as u32) << 24 | u32::from(priority) << 16;
        Self(key | (intid as u32) << 1 | u32::from(pending))
    }

    pub fn intid(self) -> usize {
        (self.0 >> 1 & 0x3ff) as usize
    }

    pub fn is_pending(self) -> bool {
        self.0 & 1 != 0
    }

    pub fn is_active(self) -> bool {
        self.0 >> 24 == Need::Active as u32
    }
}

/// The most urgent candidates, and what is known of the others.
pub(super) struct Selection {
    chosen: [Candidate; 16],
    count: usize,
    room: usize,
    /// The needs of those that are left over: bit n for `Need` n.
    left: u32,
}

impl Selection {
    /// No candidates yet, for `room` list registers.
    pub fn new(room: usize) -> Self {
        Self { chosen: [Candidate(u32::MAX); 16], count: 0, room: room.min(16), left: 0 }
    }

    /// Chooses this candidate if it is among the most urgent so far.
    pub fn offer(&mut self, mut candidate: Candidate) {
        for chosen in &mut self.chosen[..self.count] {
            if candidate < *chosen {
                core::mem::swap(chosen, &mut candidate);
            }
        }
        if self.count < self.room {
            self.chosen[self.count] = candidate;
            self.count += 1;
        } else {
            self.left |= 1 << (candidate.0 >> 24);
        }
    }

    /// The most urgent one first.
    pub fn chosen(&self) -> &[Candidate] {
        &self.chosen[..self.count]
    }

    /// Whether there was no room for all of this need.
    pub fn leaves(&self, need: Need) -> bool {
        self.left >> need as u32 & 1 != 0
    }

    /// The maintenance interrupts that tell when those left over may be better off.
    pub fn maintenance(&self, group_enables: [bool; 2]) -> u32 {
        let mut wanted = 0;
        if self.leaves(Need::Pending) {
            wanted |= HCR_NPIE;
        }
        if self.leaves(Need::Pending) || self.leaves(Need::DisabledGroup) {
            for (group, is_enabled) in group_enables.into_iter().enumerate() {
                let change = if is_enabled { HCR_GROUP_DISABLED } else { HCR_GROUP_ENABLED };
                wanted |= change[group];
            }
        }
        if self.leaves(Need::Active) {
            wanted |= HCR_LRENPIE | HCR_TDIR;
        }
        wanted
    }
}
