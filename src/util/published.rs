//! A value that one CPU publishes and others read without a lock.

use crate::util::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

/// How often a reader tries. A writer takes a few instructions, and the writers of this project
/// publish rarely.
const TRIES: usize = 16;

/// A value of `N` words. One CPU at a time publishes it, and never waits. All CPUs can read it.
///
/// The sequence number is odd while a value is being written. A reader has a consistent value if
/// the number was even before and is the same after.
#[derive(Debug)]
pub struct Published<const N: usize> {
    sequence: AtomicUsize,
    words: [AtomicU64; N],
}

impl<const N: usize> Default for Published<N> {
    fn default() -> Self {
        let words = core::array::from_fn(|_| AtomicU64::new(0));
        Self { sequence: AtomicUsize::new(0), words }
    }
}

impl<const N: usize> Published<N> {
    /// Publishes a value. The caller must exclude other callers.
    pub fn publish(&self, value: [u64; N]) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        // A reader that sees one of the stores below sees that the number is odd, or a later one.
        fence(Ordering::Release);
        for (word, value) in self.words.iter().zip(value) {
            word.store(value, Ordering::Relaxed);
        }
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// Returns the value; all zeros before the first is published. If new values are published
    /// again and again, it may be a mixture of them.
    pub fn read(&self) -> [u64; N] {
        for _ in 0..TRIES {
            if let Ok(value) = self.try_read() {
                return value;
            }
        }
        let (Ok(value) | Err(value)) = self.try_read();
        value
    }

    /// Returns the value; as an error what may be a mixture of two.
    fn try_read(&self) -> Result<[u64; N], [u64; N]> {
        let before = self.sequence.load(Ordering::Acquire);
        let value = self.words.each_ref().map(|word| word.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let is_same = self.sequence.load(Ordering::Relaxed) == before;
        if before.is_multiple_of(2) && is_same { Ok(value) } else { Err(value) }
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn the_last_value_is_read_and_no_mixture() {
        let published = Published::<3>::default();
        assert_eq!(published.read(), [0; 3]);
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                (0..if cfg!(miri) { 100 } else { 100_000 })
                    .for_each(|it| published.publish([it; 3]));
            });
            while !writer.is_finished() {
                let [a, b, c] = published.read();
                assert!(a == b && b == c, "{a} {b} {c}");
            }
        });
        published.publish([1, 2, 3]);
        assert_eq!(published.read(), [1, 2, 3]);
    }
}

/// A model of a CPU that publishes and of one that reads.
#[cfg(loom)]
#[cfg(test)]
mod models {
    use super::*;
    use loom::sync::Arc;

    #[test]
    fn loom_a_published_value_is_read_whole() {
        loom::model(|| {
            let published = Arc::new(Published::<2>::default());
            let other = published.clone();
            let writer = loom::thread::spawn(move || other.publish([7, 7]));
            if let Ok([a, b]) = published.try_read() {
                assert_eq!(a, b);
            }
            writer.join().unwrap();
            assert_eq!(published.read(), [7, 7]);
        });
    }
}
