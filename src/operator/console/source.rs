//! The sources of console output.

/// A source of console output, identified by its channel's index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source(pub(super) usize);

impl Source {
    /// Bulkhead's own log.
    pub const BULKHEAD: Self = Self(0);

    /// The monitor.
    pub const MONITOR: Self = Self(1);

    /// Returns the source for the partition with this index in the Plan.
    pub const fn partition(index: usize) -> Self {
        // An index is far below `usize::MAX`.
        Self(index.wrapping_add(2))
    }

    /// Returns the index of the partition in the Plan; `None` for the other sources.
    pub const fn partition_index(self) -> Option<usize> {
        self.0.checked_sub(2)
    }
}
