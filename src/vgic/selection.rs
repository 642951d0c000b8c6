//! Which interrupts get the list registers.

use super::hardware::{HCR_GROUP_DISABLED, HCR_GROUP_ENABLED, HCR_LRENPIE, HCR_NPIE, HCR_TDIR};

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

/// One that wants a list register. The smaller, the more urgent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub need: Need,
    pub priority: u8,
    pub intid: u16,
    /// Whether it is pending: again, if it is active.
    pub pending: bool,
}

/// The most urgent candidates, and what is known of the others.
pub(super) struct Selection {
    /// The most urgent first; then none.
    pub chosen: [Option<Candidate>; 16],
    room: usize,
    /// Whether the guest has enabled each group at its CPU interface.
    pub group_enables: [bool; 2],
    /// The needs of those that are left over: bit n for `Need` n.
    left: u32,
}

impl Selection {
    /// No candidates yet, for `room` list registers.
    pub fn new(room: usize, group_enables: [bool; 2]) -> Self {
        Self { chosen: [None; 16], room: room.min(16), group_enables, left: 0 }
    }

    /// Chooses this candidate if it is among the most urgent so far.
    pub fn offer(&mut self, mut candidate: Candidate) {
        for place in &mut self.chosen[..self.room] {
            match place {
                None => {
                    *place = Some(candidate);
                    return;
                }
                Some(chosen) if candidate < *chosen => core::mem::swap(chosen, &mut candidate),
                Some(_) => {}
            }
        }
        self.left |= 1 << candidate.need as u32;
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
            for (group, is_enabled) in self.group_enables.into_iter().enumerate() {
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
