//! The machine's one UART, shared by whole lines.

use alloc::vec::Vec;

use crate::ring::{Full, Ring};

/// Who writes to the console.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source(usize);

impl Source {
    /// Bulkhead's own log.
    pub const BULKHEAD: Self = Self(0);

    /// The partition with this index in the Plan.
    #[must_use]
    pub const fn partition(index: usize) -> Self {
        Self(index + 1)
    }
}

/// The console.
#[derive(Debug)]
pub struct Console {
    rings: Vec<Ring<u8, 2048>>,
}

impl Console {
    /// A console for these partitions, in the order of the Plan. A partial line is output after
    /// nothing was added to it for `pause` ticks of the counter.
    #[must_use]
    pub fn new<'a>(partitions: impl Iterator<Item = &'a str>, _pause: u64) -> Self {
        Self {
            rings: (0..partitions.count() + 1)
                .map(|_| Ring::default())
                .collect(),
        }
    }

    /// Adds a byte to what `source` has written. `now` is the counter.
    ///
    /// # Errors
    ///
    /// [`Full`] if the source must wait for [`Console::next`].
    pub fn put(&mut self, source: Source, byte: u8, _now: u64) -> Result<(), Full> {
        self.rings[source.0].push(byte)
    }

    /// How many bytes `source` can put.
    #[must_use]
    pub fn room(&self, source: Source) -> usize {
        self.rings[source.0].room()
    }

    /// The next byte for the UART, or `None` if nothing is due at `now`.
    pub fn next(&mut self, _now: u64) -> Option<u8> {
        None
    }

    /// When [`Console::next`] has something that it does not have before, if nothing is put.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        None
    }

    /// The next byte of all that is left, partial lines too; for the end of Bulkhead.
    pub fn panic_flush(&mut self) -> Option<u8> {
        None
    }

    /// The partition that gets what is typed.
    #[must_use]
    pub fn input(&self) -> usize {
        0
    }
}
