//! What a guest's cache maintenance by set and way leads to.
//!
//! DC ISW, CSW and CISW act on lines of all partitions, and to some effect only for the owner of all
//! caches down to memory, which no partition is. EL2 cleans and invalidates all of the partition's
//! memory by address instead, at the first of them, and then watches the registers that control the
//! guest's MMU (HCR_EL2.TVM): until one is written, the guest's caches stay as they are, and
//! repeating it has no use. KVM does the same.

/// A trapped instruction that matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trapped {
    /// Cache maintenance by set and way.
    SetWay,
    /// A write of a system register to which nothing else answers: HCR_EL2.TVM may have trapped it.
    Write,
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The guest continues behind the instruction.
    Skip,
    /// The instruction does not exist for the guest.
    Undefined,
    /// A piece of the memory is cleaned, and the guest repeats the instruction. After the last piece
    /// [`Step::after_cleaning`] says what follows.
    Clean,
    /// EL2 watches from now on, and the guest continues behind the instruction.
    Watch,
    /// EL2 no longer watches, and the guest repeats the instruction.
    Release,
}

impl Step {
    /// Returns what follows an instruction. `is_watching` is HCR_EL2.TVM; `has_caches` is whether
    /// the guest's MMU and data cache are on, so that it may have written to the cache since.
    ///
    /// | trapped | watching | caches | step |
    /// |---|---|---|---|
    /// | set and way | no | any | clean, then watch |
    /// | set and way | yes | any | skip |
    /// | a write | no | any | undefined |
    /// | a write | yes | off | release |
    /// | a write, perhaps one that turns the caches off | yes | on | clean, then release |
    pub const fn of(trapped: Trapped, is_watching: bool, has_caches: bool) -> Self {
        match (trapped, is_watching, has_caches) {
            (Trapped::SetWay, false, _) | (Trapped::Write, true, true) => Self::Clean,
            (Trapped::SetWay, true, _) => Self::Skip,
            (Trapped::Write, false, _) => Self::Undefined,
            (Trapped::Write, true, false) => Self::Release,
        }
    }

    /// Returns what follows once all memory is clean.
    pub const fn after_cleaning(trapped: Trapped) -> Self {
        match trapped {
            Trapped::SetWay => Self::Watch,
            Trapped::Write => Self::Release,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Carries out steps as EL2 does, and returns how often memory is cleaned.
    fn cleanings(instructions: &[(Trapped, bool)]) -> usize {
        let (mut is_watching, mut count) = (false, 0);
        for &(trapped, has_caches) in instructions {
            // A write that does not trap has no step.
            if trapped == Trapped::Write && !is_watching {
                continue;
            }
            let mut step = Step::of(trapped, is_watching, has_caches);
            if step == Step::Clean {
                count += 1;
                step = Step::after_cleaning(trapped);
            }
            match step {
                Step::Watch => is_watching = true,
                Step::Release => is_watching = false,
                Step::Skip => {}
                Step::Clean | Step::Undefined => panic!("{step:?}"),
            }
        }
        count
    }

    const SET_WAY: Trapped = Trapped::SetWay;
    const WRITE: Trapped = Trapped::Write;

    #[test]
    fn a_loop_over_all_sets_and_ways_cleans_once() {
        assert_eq!(cleanings(&[(SET_WAY, false); 1000]), 1);
        assert_eq!(cleanings(&[(SET_WAY, true); 1000]), 1);
    }

    #[test]
    fn a_guest_that_turns_its_caches_on_cleans_again() {
        let (before, after) = ((SET_WAY, false), (SET_WAY, true));
        assert_eq!(cleanings(&[before, before, (WRITE, false), after, after]), 2);
    }

    /// What it stores while it is in the loop, with its caches on, is cleaned at the end.
    #[test]
    fn turning_the_caches_off_after_the_loop_cleans_again() {
        assert_eq!(cleanings(&[(SET_WAY, true), (SET_WAY, true), (WRITE, true)]), 2);
        assert_eq!(cleanings(&[(WRITE, true), (SET_WAY, false), (SET_WAY, false)]), 1);
    }

    #[test]
    fn a_write_that_nothing_watches_is_undefined() {
        for has_caches in [false, true] {
            assert_eq!(Step::of(WRITE, false, has_caches), Step::Undefined);
        }
    }
}
