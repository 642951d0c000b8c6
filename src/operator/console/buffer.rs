//! The lock-free queue between a source and the console.

use crate::util::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::util::atomic::{AtomicU8, AtomicU64, AtomicUsize, fence};
use crate::util::ring::Full;

/// The capacity of a buffer in bytes. A power of two: positions wrap. Loom needs a small one.
pub(super) const BUFFER_BYTES: usize = if cfg!(all(test, loom)) { 4 } else { 2048 };
/// The part of the capacity that only [`Buffer::push_all`] uses: room for the transmit FIFO of a
/// PL011 whose guest has ended.
const RESERVED_BYTES: usize = if cfg!(all(test, loom)) { 0 } else { 32 };
/// The number of bytes that a source can have in its buffer.
pub(super) const LIMIT: usize = BUFFER_BYTES - RESERVED_BYTES;

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
    /// [`super::Console::note_all`] next.
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
        if len >= LIMIT {
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
        if is_first || ends || len >= LIMIT - 1 { Ok(Notify::Yes) } else { Ok(Notify::No) }
    }

    /// Adds text at the end, for which the whole capacity is there: of a guest only the last bytes,
    /// when it has ended. Returns whether there was room for all of it. The caller must call
    /// [`super::Console::note_all`] next.
    #[inline(never)]
    pub fn push_all(&self, text: &[u8], now: u64) -> bool {
        let put = self.put.load(Relaxed);
        let end = put.wrapping_add(text.len());
        // Acquire, Release and the fence as in `push`.
        if end.wrapping_sub(self.taken.load(Acquire)) > BUFFER_BYTES {
            return false;
        }
        let mut lines = self.lines.load(Relaxed);
        let (before, after) = self.bytes.split_at(put % BUFFER_BYTES);
        for (place, byte) in after.iter().chain(before).zip(text) {
            place.store(*byte, Relaxed);
            lines = lines.wrapping_add(usize::from(*byte == b'\n'));
        }
        self.written.store(now, Relaxed);
        self.lines.store(lines, Relaxed);
        self.put.store(end, Release);
        fence(SeqCst);
        true
    }

    /// Takes the oldest byte. The reader must look again at this queue, by this function or by
    /// [`Buffer::len`], before it waits for a notification.
    pub fn pop(&self) -> Option<u8> {
        let mut popped = None;
        self.take_while(1, |byte| {
            popped = Some(byte);
            true
        });
        popped
    }

    /// Passes the oldest bytes, at most `limit`, to `sink`, which returns whether it takes the
    /// byte, and removes those that it took. Returns their number. The reader must look again at
    /// this queue before it waits for a notification, as after [`Buffer::pop`].
    #[inline(always)]
    pub(super) fn take_while(&self, limit: usize, mut sink: impl FnMut(u8) -> bool) -> usize {
        let taken = self.taken.load(Relaxed);
        let most = self.put.load(Acquire).wrapping_sub(taken).min(limit);
        let mut count = 0;
        while count < most
            && sink(self.bytes[taken.wrapping_add(count) % BUFFER_BYTES].load(Relaxed))
        {
            count += 1;
        }
        if count > 0 {
            // Release: the loads of the bytes are complete before the writer may overwrite them;
            // see `push`.
            self.taken.store(taken.wrapping_add(count), Release);
            // Pairs with the fences in `push` and `has_room`.
            fence(SeqCst);
        }
        count
    }

    /// Returns how many bytes there are: a lower bound for the reader, an upper bound for the
    /// writer.
    pub fn len(&self) -> usize {
        // `taken` needs no ordering here: it is the reader's own, and a writer acquires it in
        // `push` before it writes.
        self.put.load(Acquire).wrapping_sub(self.taken.load(Relaxed))
    }

    /// Returns whether [`Buffer::push`] can add a byte.
    ///
    /// A writer that waits for room must first store that it does, where the reader looks after
    /// `Buffer::pop` or `Buffer::take_while`, and then call this: either it finds the room, or the
    /// reader finds that it waits.
    pub fn has_room(&self) -> bool {
        // Pairs with the fence in `pop`.
        fence(SeqCst);
        self.len() < LIMIT
    }

    /// Returns whether at most half of it is in use, so that it is worth while to wake a writer
    /// that waits for room.
    pub fn is_half_empty(&self) -> bool {
        self.len() <= LIMIT / 2
    }

    /// Returns whether there are no bytes, as [`Buffer::len`] does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many bytes were ever written. Wraps.
    pub fn position(&self) -> usize {
        self.put.load(Relaxed)
    }

    /// Returns how many bytes were ever taken. Wraps.
    pub fn taken(&self) -> usize {
        self.taken.load(Relaxed)
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
        for _ in 2..LIMIT {
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
