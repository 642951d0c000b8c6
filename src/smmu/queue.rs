//! Positions in the circular queues between an SMMU and Bulkhead (IHI 0070, 3.5.1).

/// The size of a queue.
///
/// A position is an index with a wrap flag above it, which changes each time that the index starts
/// again at zero. So a queue whose producer and consumer are at the same index is empty if their
/// flags are equal, and full otherwise. The registers have other bits above.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueSize {
    log2: u32,
}

impl QueueSize {
    /// The largest size, for which a position has 20 bits (SMMU_CMDQ_PROD).
    pub const MAX_LOG2: u32 = 19;

    /// Returns the size of two to the power of `log2` entries, or of the largest queue.
    pub const fn new(log2: u32) -> Self {
        Self { log2: if log2 < Self::MAX_LOG2 { log2 } else { Self::MAX_LOG2 } }
    }

    /// Returns its logarithm, as the registers have it.
    pub const fn log2(self) -> u32 {
        self.log2
    }

    /// Returns the number of entries.
    pub const fn entries(self) -> usize {
        1_usize.wrapping_shl(self.log2)
    }

    /// Returns the bits of a position, which are all that a register may have in common with
    /// another one.
    const fn mask(self) -> u32 {
        // `log2` is small, so nothing wraps.
        2_u32.wrapping_shl(self.log2).wrapping_sub(1)
    }

    /// Returns the index of the entry at a position.
    pub const fn slot(self, position: u32) -> usize {
        (position & (self.mask() >> 1)) as usize
    }

    /// Returns the position that follows.
    pub const fn next(self, position: u32) -> u32 {
        position.wrapping_add(1) & self.mask()
    }

    /// Returns whether a queue with these values of PROD and CONS has no entry.
    pub const fn is_empty(self, prod: u32, cons: u32) -> bool {
        (prod ^ cons) & self.mask() == 0
    }

    /// Returns whether it has no room.
    pub const fn is_full(self, prod: u32, cons: u32) -> bool {
        (prod ^ cons) & self.mask() == self.mask() ^ (self.mask() >> 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a queue that counts.
        #[test]
        fn positions_wrap_as_a_counter_says(
            log2 in 0..5_u32,
            steps in prop::collection::vec(any::<bool>(), 0..200),
        ) {
            let size = QueueSize::new(log2);
            let (mut prod, mut cons) = (0, 0);
            let (mut produced, mut consumed) = (0, 0);
            for is_produced in steps {
                prop_assert_eq!(size.is_empty(prod, cons), produced == consumed);
                prop_assert_eq!(size.is_full(prod, cons), produced - consumed == size.entries());
                if is_produced && !size.is_full(prod, cons) {
                    prop_assert_eq!(size.slot(prod), produced % size.entries());
                    prod = size.next(prod);
                    produced += 1;
                } else if !is_produced && !size.is_empty(prod, cons) {
                    prop_assert_eq!(size.slot(cons), consumed % size.entries());
                    cons = size.next(cons);
                    consumed += 1;
                }
            }
        }

        /// Overflow flags and error codes above the positions change nothing.
        #[test]
        fn bits_above_a_position_are_ignored(log2 in 0..=19_u32, prod: u32, cons: u32, high: u32) {
            let size = QueueSize::new(log2);
            let high = high & !((2 << log2) - 1);
            prop_assert_eq!(size.is_empty(prod ^ high, cons), size.is_empty(prod, cons));
            prop_assert_eq!(size.is_full(prod ^ high, cons), size.is_full(prod, cons));
            prop_assert_eq!(size.slot(prod ^ high), size.slot(prod));
            prop_assert_eq!(size.next(prod ^ high), size.next(prod));
            prop_assert!(size.slot(prod) < size.entries());
        }
    }

    #[test]
    fn no_queue_is_larger_than_its_registers_allow() {
        assert_eq!(QueueSize::new(20), QueueSize::new(19));
        assert_eq!(QueueSize::new(u32::MAX).entries(), 1 << 19);
    }
}
