//! Divides work on a range of bytes into pieces of limited size, which several CPUs share.

use crate::util::atomic::{AtomicU64, Ordering};

/// The progress of work on a range of bytes: which of them some CPU has taken.
///
/// It orders nothing but itself. Whoever waits until the work is complete needs another
/// synchronisation, such as a barrier of all CPUs that take part.
#[derive(Debug, Default)]
pub struct Pieces {
    /// The number of bytes that are taken, from the first on. Each CPU exceeds the size of the
    /// range once at most, by a piece.
    taken: AtomicU64,
}

impl Pieces {
    /// Returns the progress of work that has not begun.
    #[cfg(not(all(test, loom)))]
    pub const fn new() -> Self {
        Self { taken: AtomicU64::new(0) }
    }

    /// Begins again. No CPU may take pieces meanwhile.
    pub fn begin(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    /// Takes the next piece of a range of `size` bytes: returns the offset and the size, at most
    /// `most`, of bytes that no other call has returned; `None` if all are taken. `size` and `most`
    /// must be the same in all calls.
    pub fn take(&self, size: u64, most: u64) -> Option<(u64, u64)> {
        let offset = self.taken.fetch_add(most, Ordering::Relaxed);
        (offset < size).then(|| (offset, most.min(size - offset)))
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Returns all pieces.
    fn all(size: u64, most: u64) -> Vec<(u64, u64)> {
        let pieces = Pieces::new();
        core::iter::from_fn(|| pieces.take(size, most)).collect()
    }

    #[test]
    fn pieces_follow_each_other_and_the_last_one_is_the_rest() {
        assert_eq!(all(10, 4), [(0, 4), (4, 4), (8, 2)]);
        assert_eq!(all(8, 4), [(0, 4), (4, 4)]);
        assert_eq!(all(3, 4), [(0, 3)]);
        assert_eq!(all(0, 4), []);
    }

    #[test]
    fn work_can_begin_again() {
        let pieces = Pieces::new();
        assert_eq!((pieces.take(4, 4), pieces.take(4, 4)), (Some((0, 4)), None));
        pieces.begin();
        assert_eq!(pieces.take(4, 4), Some((0, 4)));
    }

    #[test]
    fn threads_take_each_byte_once() {
        const SIZE: u64 = 100_001;
        let pieces = Pieces::new();
        let mut taken: Vec<_> = std::thread::scope(|scope| {
            let take = || core::iter::from_fn(|| pieces.take(SIZE, 7)).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        taken.sort_unstable();
        let end = taken.iter().try_fold(0, |end, (offset, size)| {
            (*offset == end && (1..=7).contains(size)).then_some(offset + size)
        });
        assert_eq!(end, Some(SIZE));
    }
}

/// A model of two CPUs that share the pieces and then meet.
#[cfg(loom)]
#[cfg(test)]
mod models {
    use super::*;
    use crate::util::atomic::AtomicU32;
    use loom::sync::Arc;

    #[test]
    fn loom_cpus_process_each_piece_once() {
        loom::model(|| {
            let shared: Arc<(Pieces, [AtomicU32; 3])> = Arc::default();
            let work = |shared: &(Pieces, [AtomicU32; 3])| {
                while let Some((offset, size)) = shared.0.take(5, 2) {
                    assert_eq!(size, if offset == 4 { 1 } else { 2 });
                    shared.1[offset as usize / 2].fetch_add(1, Ordering::Relaxed);
                }
            };
            let other = shared.clone();
            let thread = loom::thread::spawn(move || work(&other));
            work(&shared);
            thread.join().unwrap();
            for times in &shared.1 {
                assert_eq!(times.load(Ordering::Relaxed), 1);
            }
        });
    }
}
