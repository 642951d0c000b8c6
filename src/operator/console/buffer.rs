//! The buffer between a source and the console.

use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize};

use crate::util::ring::Full;

/// How many bytes wait for the UART before their source does.
pub(super) const BUFFER_BYTES: usize = 2048;

/// What one source has written and the console has not taken: a queue with one end for each of the two,
/// and no lock between them. Who writes, and who takes, is alone in doing so by a lock of its own.
///
/// Most bytes belong to a line that the console knows of. Nobody need be told of those, so that the
/// sources do not wait for each other at each byte.
pub struct Buffer {
    bytes: [AtomicU8; BUFFER_BYTES],
    /// How many bytes were ever written, and how many taken. Both may wrap.
    put: AtomicUsize,
    taken: AtomicUsize,
    /// How many LFs were ever written.
    lines: AtomicUsize,
    /// When the last byte was.
    written: AtomicU64,
}

/// Whether the console must be told of a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tell {
    /// It comes to the byte by itself.
    No,
    /// It may have found the buffer empty, or has a line's end or a full buffer to see to.
    Yes,
}

impl Default for Buffer {
    /// A buffer with nothing in it.
    fn default() -> Self {
        Self {
            bytes: [const { AtomicU8::new(0) }; BUFFER_BYTES],
            put: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            lines: AtomicUsize::new(0),
            written: AtomicU64::new(0),
        }
    }
}

impl Buffer {
    /// Adds a byte at the end, at the time `now`. [`super::Console::note`] must be called next if it
    /// is to be told.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room before the console has taken some.
    #[inline(never)]
    pub fn push(&self, byte: u8, now: u64) -> Result<Tell, Full> {
        let put = self.put.load(Relaxed);
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
        self.put.store(put.wrapping_add(1), SeqCst);
        // Either this finds that the console has taken all before the byte, or the console, which looks
        // once more after it has, finds the byte.
        let is_first = self.taken.load(SeqCst) == put;
        if is_first || ends || len == BUFFER_BYTES - 1 { Ok(Tell::Yes) } else { Ok(Tell::No) }
    }

    /// Takes the byte that has been here longest.
    pub(super) fn pop(&self) -> Option<u8> {
        let taken = self.taken.load(Relaxed);
        if self.put.load(SeqCst) == taken {
            return None;
        }
        let byte = self.bytes[taken % BUFFER_BYTES].load(Relaxed);
        self.taken.store(taken.wrapping_add(1), SeqCst);
        Some(byte)
    }

    /// How many bytes there are: at least so many for the one who takes them, and at most so many for
    /// the one who writes.
    pub(super) fn len(&self) -> usize {
        self.put.load(SeqCst).wrapping_sub(self.taken.load(SeqCst))
    }

    /// Whether [`Buffer::push`] can add a byte.
    pub fn has_room(&self) -> bool {
        self.len() < BUFFER_BYTES
    }

    /// How many LFs were ever written, of those bytes at least that [`Buffer::len`] has counted.
    pub(super) fn lines(&self) -> usize {
        self.lines.load(Relaxed)
    }

    /// When the last byte was written.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicBool;
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn the_console_is_told_of_what_it_cannot_know() {
        let buffer = Buffer::default();
        let push = |byte| buffer.push(byte, 7);
        assert_eq!((buffer.pop(), push(b'a'), push(b'b')), (None, Ok(Tell::Yes), Ok(Tell::No)));
        assert_eq!((push(b'\n'), buffer.lines(), buffer.len()), (Ok(Tell::Yes), 1, 3));
        for byte in b"ab\n" {
            assert_eq!(buffer.pop(), Some(*byte));
        }
        assert_eq!((buffer.pop(), push(b'c')), (None, Ok(Tell::Yes)));
        for _ in 2..BUFFER_BYTES {
            assert_eq!(push(b'd'), Ok(Tell::No));
        }
        assert_eq!(
            (buffer.has_room(), push(b'e'), buffer.has_room()),
            (true, Ok(Tell::Yes), false)
        );
        assert_eq!((push(b'f'), buffer.pop(), push(b'f')), (Err(Full), Some(b'c'), Ok(Tell::Yes)));
        assert_eq!((buffer.written(), buffer.lines()), (7, 1));
    }

    /// Waits for what another thread does.
    fn wait_until(is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(20), "somebody sleeps over a byte");
            thread::yield_now();
        }
    }

    /// Two ends on two CPUs: the reader sleeps when it has found nothing more, until it is told. The
    /// writer waits for the reader before it is far ahead.
    #[test]
    fn nothing_is_lost_and_nobody_sleeps_over_a_byte() {
        const BYTES: usize = if cfg!(miri) { 1_000 } else { 2_000_000 };
        const TIME: Duration = Duration::from_secs(3);
        let (buffer, told, end) =
            (Buffer::default(), AtomicBool::new(false), AtomicUsize::new(BYTES));
        let read = || {
            let mut expected = 0;
            while expected < end.load(SeqCst) {
                match buffer.pop() {
                    Some(byte) => {
                        assert_eq!(byte, (expected % 7) as u8);
                        expected += 1;
                    }
                    None => wait_until(|| told.swap(false, SeqCst)),
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(read);
            let start = Instant::now();
            for byte in 0..BYTES {
                if byte % 1000 == 0 && start.elapsed() > TIME {
                    end.store(byte, SeqCst);
                    told.store(true, SeqCst);
                    break;
                }
                if buffer.push((byte % 7) as u8, 0) == Ok(Tell::Yes) {
                    told.store(true, SeqCst);
                }
                wait_until(|| buffer.len() < 2 + byte % 5);
            }
        });
        assert_eq!(buffer.len(), 0);
    }
}
