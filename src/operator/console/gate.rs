//! The gate through which bytes enter a [`Buffer`](super::Buffer) without the lock of its source.

use crate::util::atomic::AtomicU64;
use crate::util::atomic::Ordering::{Acquire, Relaxed, Release};

/// The position of the next byte while the gate is open, and how far it is open.
///
/// A byte enters in four steps, which the vectors take for a guest's store to UARTDR: they
/// [hold](Gate::hold) the gate if the next position is below the limit, write the byte there, and
/// move the position on. The bytes behind the position that was opened are not published: the
/// console does not see them, and nothing but the position and the bytes themselves changes. Who
/// shuts the gate publishes them.
///
/// The limit may be read before the gate is held: it only rises while the gate is used again, as
/// the buffer is emptied.
#[derive(Debug)]
#[repr(C)]
pub struct Gate {
    /// The next position with [`OPEN`], or [`SHUT`] or [`HELD`].
    next: AtomicU64,
    /// The first position that is not open, with [`OPEN`].
    limit: AtomicU64,
}

/// Marks a position, so that none is [`HELD`].
const OPEN: u64 = 1 << 63;
/// The gate is shut. No limit is higher.
const SHUT: u64 = u64::MAX;
/// A byte is entering.
const HELD: u64 = 0;

impl Default for Gate {
    fn default() -> Self {
        Self { next: AtomicU64::new(SHUT), limit: AtomicU64::new(0) }
    }
}

impl Gate {
    /// Opens it from a position on, up to a limit. It must be shut, and only the holder of the
    /// source's lock may open and shut it.
    pub fn open(&self, next: usize, limit: usize) {
        self.limit.store(limit as u64 | OPEN, Relaxed);
        // Release: who holds the gate may write where earlier bytes were.
        self.next.store(next as u64 | OPEN, Release);
    }

    /// Shuts it, and returns the next position; `None` if it was shut. Waits while a byte is
    /// entering, which takes a few instructions of another CPU of the same source.
    #[inline(always)]
    pub fn shut(&self) -> Option<usize> {
        loop {
            match self.next.load(Relaxed) {
                SHUT => return None,
                HELD => relax(),
                // Acquire: the bytes that have entered are there.
                next if self.next.compare_exchange(next, SHUT, Acquire, Relaxed).is_ok() => {
                    return Some((next & !OPEN) as usize);
                }
                _ => {}
            }
        }
    }

    /// Holds it for a byte, whose position is returned; `None` if it is shut, held by another CPU
    /// or full. The vectors do the same.
    #[cfg(test)]
    pub fn hold(&self) -> Option<usize> {
        let limit = self.limit.load(Relaxed);
        let next = self.next.load(Relaxed);
        let is_held = next != HELD
            && next < limit
            && self.next.compare_exchange(next, HELD, Acquire, Relaxed).is_ok();
        is_held.then_some((next & !OPEN) as usize)
    }

    /// Ends the entrance of the byte at a position. The vectors do the same.
    #[cfg(test)]
    pub fn release(&self, position: usize) {
        self.next.store((position as u64 | OPEN) + 1, Release);
    }
}

/// Waits for another CPU.
fn relax() {
    #[cfg(not(all(test, loom)))]
    core::hint::spin_loop();
    #[cfg(all(test, loom))]
    loom::thread::yield_now();
}
