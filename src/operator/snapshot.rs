//! The state of a partition as words, which its CPUs publish and the monitor reads without the
//! partition's lock.

use crate::arch::addr::Ipa;
use crate::partition::lifecycle::{End, Lifecycle, Stage};
use crate::trap::fault::{AccessKind, Fault, FaultAddress, FaultKind};

/// The number of words.
pub const WORDS: usize = 6;

/// The state of a partition, without its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The stage of its lifecycle.
    pub stage: Stage,
    /// How often it was restarted.
    pub restarts: u32,
    /// Why it last ended, if it ever did.
    pub last_end: Option<End>,
    /// Its last access or instruction that Bulkhead did not allow.
    pub last_fault: Option<Fault>,
}

/// The stages, by their numbers.
const STAGES: [Stage; 5] =
    [Stage::Building, Stage::Running, Stage::Stopping, Stage::Stopped, Stage::Crashed];
/// The reasons of an end that have no further fields, by their numbers from 1 on.
const ENDS: [End; 5] = [End::Off, End::Reset, End::AllOff, End::Ordered, End::Watchdog];
/// The numbers of the other reasons.
const UNKNOWN_EXCEPTION: u64 = 6;
const SERROR: u64 = 7;
/// The kinds of accesses, by their numbers.
const ACCESSES: [AccessKind; 3] = [AccessKind::Load, AccessKind::Store, AccessKind::Fetch];
/// The numbers of faults: of an undefined instruction, and of an access, to which the kinds of
/// access and of address are added.
const UNDEFINED: u64 = 1;
const ACCESS: u64 = 2;

// The fields of the first word. Its upper half is the number of restarts.
const STAGE: u32 = 0;
const END: u32 = 4;
const FAULT: u32 = 8;
const VCPU: u32 = 16;
const CLASS: u32 = 24;

impl Snapshot {
    /// Returns the state of a partition.
    pub fn new(life: &Lifecycle, last_fault: Option<Fault>) -> Self {
        let (stage, restarts, last_end) = (life.stage(), life.restarts(), life.last_end());
        Self { stage, restarts, last_end, last_fault }
    }

    /// Returns its words.
    #[inline(always)]
    pub fn to_words(self) -> [u64; WORDS] {
        let Self { stage, restarts, last_end, last_fault } = self;
        let (end, class, end_syndrome, end_pc) = match last_end {
            None => (0, 0, 0, 0),
            Some(End::UnknownException { class, pc }) => (UNKNOWN_EXCEPTION, class, 0, pc),
            Some(End::SError { syndrome, pc }) => (SERROR, 0, syndrome, pc),
            Some(End::Off) => (1, 0, 0, 0),
            Some(End::Reset) => (2, 0, 0, 0),
            Some(End::AllOff) => (3, 0, 0, 0),
            Some(End::Ordered) => (4, 0, 0, 0),
            Some(End::Watchdog) => (5, 0, 0, 0),
        };
        let (fault, ipa) = match last_fault.map(|fault| fault.kind) {
            None => (0, 0),
            Some(FaultKind::Undefined) => (UNDEFINED, 0),
            Some(FaultKind::Access(access, address)) => {
                let (kind, ipa) = match address {
                    FaultAddress::Emulated(ipa) => (0, ipa.get()),
                    FaultAddress::Outside(ipa) => (1, ipa.get()),
                    FaultAddress::Unknown => (2, 0),
                    FaultAddress::ReadOnly(va) => (3, va),
                };
                (ACCESS + 4 * access as u64 + kind, ipa)
            }
        };
        let (vcpu, pc, syndrome) =
            last_fault.map_or((0, 0, 0), |fault| (fault.vcpu as u64, fault.pc, fault.syndrome));
        let first = u64::from(restarts) << 32
            | (stage as u64) << STAGE
            | end << END
            | fault << FAULT
            | vcpu << VCPU
            | u64::from(class) << CLASS;
        [first, end_syndrome, end_pc, ipa, pc, syndrome]
    }

    /// Returns the state that these words are of.
    #[inline(always)]
    pub fn from_words([first, end_syndrome, end_pc, ipa, pc, syndrome]: [u64; WORDS]) -> Self {
        let field = |at: u32, bits: u32| first >> at & ((1 << bits) - 1);
        let last_end = match field(END, 4) {
            0 => None,
            UNKNOWN_EXCEPTION => {
                Some(End::UnknownException { class: field(CLASS, 8) as u8, pc: end_pc })
            }
            SERROR => Some(End::SError { syndrome: end_syndrome, pc: end_pc }),
            end => ENDS.get(end as usize - 1).copied(),
        };
        let kind = match field(FAULT, 8) {
            0 => None,
            UNDEFINED => Some(FaultKind::Undefined),
            access => {
                let number = (access - ACCESS) as usize;
                let address = match number % 4 {
                    0 => FaultAddress::Emulated(Ipa::new(ipa)),
                    1 => FaultAddress::Outside(Ipa::new(ipa)),
                    2 => FaultAddress::Unknown,
                    _ => FaultAddress::ReadOnly(ipa),
                };
                ACCESSES.get(number / 4).map(|kind| FaultKind::Access(*kind, address))
            }
        };
        let fault = |kind| Fault { kind, vcpu: field(VCPU, 8) as usize, pc, syndrome };
        Self {
            stage: STAGES[field(STAGE, 4) as usize % STAGES.len()],
            restarts: (first >> 32) as u32,
            last_end,
            last_fault: kind.map(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_as_it_was_written() {
        let serror = End::SError { syndrome: 0xbe00_0011, pc: 5 };
        let exception = End::UnknownException { class: 0x3f, pc: u64::MAX };
        let ends = ENDS.into_iter().chain([serror, exception]).map(Some).chain([None]);
        let ipa = Ipa::new(0x1234_5678);
        let addresses = [
            FaultAddress::Emulated(ipa),
            FaultAddress::Outside(ipa),
            FaultAddress::ReadOnly(u64::MAX),
            FaultAddress::Unknown,
        ];
        let kinds = ACCESSES
            .into_iter()
            .flat_map(|access| addresses.map(|address| Some(FaultKind::Access(access, address))));
        let faults = kinds.chain([Some(FaultKind::Undefined), None]).map(|kind| {
            kind.map(|kind| Fault { kind, vcpu: 15, pc: 0x8000, syndrome: 0x9600_0046 })
        });
        for last_end in ends {
            for (last_fault, stage) in faults.clone().zip(STAGES.into_iter().cycle()) {
                let snapshot = Snapshot { stage, restarts: u32::MAX, last_end, last_fault };
                assert_eq!(Snapshot::from_words(snapshot.to_words()), snapshot);
            }
        }
    }
}
