//! The lock-free queue between a source and the console.

use crate::util::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::util::atomic::{AtomicU8, AtomicU64, AtomicUsize, fence};
use crate::util::ring::Full;

/// The capacity of a buffer in bytes. A power of two: positions wrap. Loom needs a small one.
pub(super) const BUFFER_BYTES: usize = if cfg!(all(test, loom)) { 4 } else { 2048 };

/// A queue of bytes that a source has written and the console has not taken.
///
/// It has one writer and one reader at a time, which need no common lock: writers exclude each
/// other by a lock of the source, readers by the console's lock.
///
/// The writer notifies the console only of a byte that the console may not find by itself, so that
/// sources do not contend for the console's lock at each byte. A byte is not lost in between,
/// because both sides store, fence and then load: the writer publishes `put`, then reads `taken`;
/// the reader publishes `taken`, then reads `put`. At least one of them sees the other's store, so
/// either the writer finds that the reader had emptied the queue, or the reader finds the byte.
pub struct Buffer {
    bytes: [AtomicU8; BUFFER_BYTES],
    /// How many bytes were ever written. Wraps.
    put: AtomicUsize,
    /// How many bytes were ever taken. Wraps.
    taken: AtomicUsize,
    /// How many LFs were ever written. Wraps.
    lines: AtomicUsize,
    /// When the last byte was written.
    written: AtomicU64,
}

/// Whether the console must be notified of a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notify {
    /// The console will find the byte by itself.
    No,
    /// The console may have found the buffer empty, or the byte ends a line or fills the buffer.
    Yes,
}

impl Default for Buffer {
    /// Creates an empty buffer.
    fn default() -> Self {
        Self {
            #[cfg(not(all(test, loom)))]
            bytes: [const { AtomicU8::new(0) }; BUFFER_BYTES],
            #[cfg(all(test, loom))]
            bytes: core::array::from_fn(|_| AtomicU8::new(0)),
            put: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            lines: AtomicUsize::new(0),
            written: AtomicU64::new(0),
        }
    }
}

impl Buffer {
    /// Adds a byte at the end, at the time `now`. On [`Notify::Yes`] the caller must call
    /// [`super::Console::note`] next.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room until the console takes a byte.
    #[inline(never)]
    pub fn push(&self, byte: u8, now: u64) -> Result<Notify, Full> {
        let put = self.put.load(Relaxed);
        // Acquire: the reader has loaded the byte that this one overwrites. (Loom does not explore
        // loads that are delayed beyond a store, so no model fails without this order.)
        let len = put.wrapping_sub(self.taken.load(Acquire));
        if len >= BUFFER_BYTES {
            return Err(Full);
        }
        let ends = byte == b'\n';
        self.bytes[put % BUFFER_BYTES].store(byte, Relaxed);
        self.written.store(now, Relaxed);
        if ends {
            self.lines.store(self.lines.load(Relaxed).wrapping_add(1), Relaxed);
        }
        // Release: a CPU that sees the new `put` sees the byte, its time and the count of lines.
        self.put.store(put.wrapping_add(1), Release);
        // Pairs with the fence in `pop`.
        fence(SeqCst);
        let is_first = self.taken.load(Relaxed) == put;
        if is_first || ends || len == BUFFER_BYTES - 1 { Ok(Notify::Yes) } else { Ok(Notify::No) }
    }

    /// Takes the oldest byte. The reader must look again at this queue, by this function or by
    /// [`Buffer::len`], before it waits for a notification.
    pub(super) fn pop(&self) -> Option<u8> {
        let taken = self.taken.load(Relaxed);
        if self.put.load(Acquire) == taken {
            return None;
        }
        let byte = self.bytes[taken % BUFFER_BYTES].load(Relaxed);
        // Release: the load of the byte is complete before the writer may overwrite it; see `push`.
        self.taken.store(taken.wrapping_add(1), Release);
        // Pairs with the fences in `push` and `has_room`.
        fence(SeqCst);
        Some(byte)
    }

    /// Returns how many bytes there are: a lower bound for the reader, an upper bound for the
    /// writer.
    pub(super) fn len(&self) -> usize {
        // `taken` needs no ordering here: it is the reader's own, and a writer acquires it in
        // `push` before it writes.
        self.put.load(Acquire).wrapping_sub(self.taken.load(Relaxed))
    }

    /// Returns whether [`Buffer::push`] can add a byte.
    ///
    /// A writer that waits for room must first store that it does, where the reader looks after
    /// `Buffer::pop`, and then call this: either it finds the room, or the reader finds that it
    /// waits.
    pub fn has_room(&self) -> bool {
        // Pairs with the fence in `pop`.
        fence(SeqCst);
        self.len() < BUFFER_BYTES
    }

    /// Returns how many LFs were ever written, including at least those among the bytes that the
    /// last [`Buffer::len`] counted.
    pub(super) fn lines(&self) -> usize {
        self.lines.load(Relaxed)
    }

    /// Returns when the last byte was written.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicBool;
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn the_console_is_notified_of_bytes_that_it_may_not_find() {
        let buffer = Buffer::default();
        let push = |byte| buffer.push(byte, 7);
        assert_eq!((buffer.pop(), push(b'a'), push(b'b')), (None, Ok(Notify::Yes), Ok(Notify::No)));
        assert_eq!((push(b'\n'), buffer.lines(), buffer.len()), (Ok(Notify::Yes), 1, 3));
        for byte in b"ab\n" {
            assert_eq!(buffer.pop(), Some(*byte));
        }
        assert_eq!((buffer.pop(), push(b'c')), (None, Ok(Notify::Yes)));
        for _ in 2..BUFFER_BYTES {
            assert_eq!(push(b'd'), Ok(Notify::No));
        }
        assert_eq!(
            (buffer.has_room(), push(b'e'), buffer.has_room()),
            (true, Ok(Notify::Yes), false)
        );
        assert_eq!(
            (push(b'f'), buffer.pop(), push(b'f')),
            (Err(Full), Some(b'c'), Ok(Notify::Yes))
        );
        assert_eq!((buffer.written(), buffer.lines()), (7, 1));
    }

    /// Waits until another thread makes a condition true.
    fn wait_until(is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(20), "a byte was left in the buffer");
            thread::yield_now();
        }
    }

    /// Runs both ends on two CPUs: the reader sleeps when it finds the queue empty, until it is
    /// notified. The writer stays only a few bytes ahead, so that this happens often.
    #[test]
    fn no_byte_is_lost_or_left_in_the_buffer() {
        const BYTES: usize = if cfg!(miri) { 1_000 } else { 2_000_000 };
        const TIME: Duration = Duration::from_secs(3);
        let (buffer, end) = (Buffer::default(), AtomicUsize::new(BYTES));
        let notified = AtomicBool::new(false);
        let read = || {
            let mut expected = 0;
            while expected < end.load(SeqCst) {
                match buffer.pop() {
                    Some(byte) => {
                        assert_eq!(byte, (expected % 7) as u8);
                        expected += 1;
                    }
                    None => wait_until(|| notified.swap(false, SeqCst)),
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(read);
            let start = Instant::now();
            for byte in 0..BYTES {
                if byte % 1000 == 0 && start.elapsed() > TIME {
                    end.store(byte, SeqCst);
                    notified.store(true, SeqCst);
                    break;
                }
                if buffer.push((byte % 7) as u8, 0) == Ok(Notify::Yes) {
                    notified.store(true, SeqCst);
                }
                wait_until(|| buffer.len() < 2 + byte % 5);
            }
        });
        assert_eq!(buffer.len(), 0);
    }
}

/// Models of a source on one CPU and the console on two, at small sizes.
#[cfg(loom)]
#[cfg(test)]
mod models {
    use super::*;
    use crate::util::atomic::AtomicBool;
    use loom::sync::{Arc, Mutex};
    use std::vec::Vec;

    /// A source, and the console with its lock and the bytes that it has output.
    #[derive(Default)]
    struct Machine {
        buffer: Buffer,
        console: Mutex<Vec<u8>>,
        /// Whether the source waits for room.
        waits: AtomicBool,
    }

    impl Machine {
        /// Outputs everything under the console's lock, as each CPU does that was notified.
        fn pump(&self) {
            let mut output = self.console.lock().unwrap();
            while let Some(byte) = self.buffer.pop() {
                output.push(byte);
            }
        }

        /// Writes bytes, and does the console's work where it must be notified.
        fn write(&self, bytes: core::ops::Range<u8>) {
            for byte in bytes {
                let mut pushed = self.buffer.push(byte, 0);
                while pushed.is_err() {
                    self.pump();
                    pushed = self.buffer.push(byte, 0);
                }
                if pushed == Ok(Notify::Yes) {
                    self.pump();
                }
            }
        }
    }

    /// Writes `before` bytes, then `count` more while another CPU outputs, and checks that all
    /// come out in order although no CPU looks at the buffer afterwards.
    fn check_output(before: u8, count: u8) {
        loom::model(move || {
            let machine = Arc::new(Machine::default());
            for byte in 0..before {
                machine.buffer.push(byte, 0).unwrap();
            }
            let other = machine.clone();
            let other = loom::thread::spawn(move || other.pump());
            machine.write(before..before + count);
            other.join().unwrap();
            let output = machine.console.lock().unwrap();
            assert!(output.iter().copied().eq(0..before + count), "{output:?}");
        });
    }

    #[test]
    fn loom_no_byte_is_lost_or_left_in_the_buffer() {
        check_output(1, 2);
    }

    #[test]
    fn loom_no_byte_is_lost_where_the_buffer_is_full() {
        check_output(BUFFER_BYTES as u8 - 1, 2);
    }

    #[test]
    fn loom_a_source_that_waits_for_room_is_woken() {
        loom::model(|| {
            let machine = Arc::new(Machine::default());
            for byte in 0..BUFFER_BYTES {
                machine.buffer.push(byte as u8, 0).unwrap();
            }
            let other = machine.clone();
            let console = loom::thread::spawn(move || {
                other.buffer.pop();
                other.waits.load(Relaxed)
            });
            machine.waits.store(true, Relaxed);
            let sleeps = !machine.buffer.has_room();
            let is_woken = console.join().unwrap();
            assert!(!sleeps || is_woken);
        });
    }

    #[test]
    fn loom_bytes_that_are_counted_have_their_lines_and_time_counted() {
        loom::model(|| {
            let machine = Arc::new(Machine::default());
            let other = machine.clone();
            let console = loom::thread::spawn(move || {
                let len = other.buffer.len();
                assert!(other.buffer.lines() >= len.saturating_sub(1));
                assert!(other.buffer.written() >= len as u64);
            });
            machine.buffer.push(b'a', 1).unwrap();
            machine.buffer.push(b'\n', 2).unwrap();
            console.join().unwrap();
        });
    }
}
