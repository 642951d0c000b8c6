//! The end of Bulkhead's own log.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};

/// The number of bytes that are kept.
const KEPT: usize = 4096;
/// The number of bytes that may be overwritten while a line is read.
const MARGIN: usize = 512;

/// The last bytes of a text. One CPU at a time appends to it; all CPUs read it without waiting.
pub struct Log {
    bytes: [AtomicU8; KEPT],
    /// How many bytes were ever added. A byte's position is the number of bytes before it.
    added: AtomicUsize,
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    /// Creates an empty log.
    pub const fn new() -> Self {
        Self { bytes: [const { AtomicU8::new(0) }; KEPT], added: AtomicUsize::new(0) }
    }

    /// Appends text. The caller must exclude other callers.
    pub fn add(&self, text: &[u8]) {
        let added = self.added.load(Ordering::Relaxed);
        let (before, after) = self.bytes.split_at(added % KEPT);
        let (first, rest) = text.split_at(text.len().min(after.len()));
        // Two loops, because one over a chain takes twice as long.
        for (place, byte) in after.iter().zip(first) {
            place.store(*byte, Ordering::Relaxed);
        }
        for (place, byte) in before.iter().zip(rest) {
            place.store(*byte, Ordering::Relaxed);
        }
        // Release: a CPU that reads the new end reads the bytes before it.
        self.added.store(added.wrapping_add(text.len()), Ordering::Release);
    }

    /// Copies the rest of the line at `position`, as much of it as `into` has room for. Returns the
    /// number of bytes and the position to continue at, or `None` if the line has not ended. If the
    /// byte at `position` is no longer kept, copies the first line that is kept whole.
    ///
    /// If [`MARGIN`] bytes were appended meanwhile, the copy is repeated with a later line.
    pub fn read(&self, position: u64, into: &mut [u8]) -> Option<(usize, u64)> {
        let mut position = position as usize;
        loop {
            let oldest = self.added.load(Ordering::Acquire).saturating_sub(KEPT - MARGIN);
            if position < oldest {
                position = self.line_end(oldest)? + 1;
            }
            let added = self.added.load(Ordering::Acquire);
            let (before, after) = self.bytes.split_at(position % KEPT);
            let mut len = 0;
            // In one pass, because each byte takes time in a visit to EL2.
            let is_end =
                after.iter().chain(before).take(added.saturating_sub(position)).any(|it| {
                    let byte = it.load(Ordering::Relaxed);
                    let is_end = byte == b'\n';
                    if !is_end && let Some(to) = into.get_mut(len) {
                        *to = byte;
                        len += 1;
                        return false;
                    }
                    true
                });
            if !is_end {
                return None;
            }
            let has_ended = self.byte(position + len) == b'\n';
            // The loads above are complete before the end is read again.
            fence(Ordering::Acquire);
            if self.added.load(Ordering::Relaxed).saturating_sub(KEPT) <= position {
                position += len;
                return Some((len, (position + usize::from(has_ended)) as u64));
            }
        }
    }

    /// Returns the position of the first LF from `position` on.
    fn line_end(&self, position: usize) -> Option<usize> {
        (position..self.added.load(Ordering::Acquire)).find(|it| self.byte(*it) == b'\n')
    }

    /// Returns the byte at a position.
    fn byte(&self, position: usize) -> u8 {
        self.bytes[position % KEPT].load(Ordering::Relaxed)
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn lines(log: &Log, width: usize) -> Vec<String> {
        let (mut position, mut into) = (0, [0; 100]);
        let next = || {
            let (len, next) = log.read(position, &mut into[..width])?;
            position = next;
            Some(String::from_utf8_lossy(&into[..len]).into_owned())
        };
        core::iter::from_fn(next).collect()
    }

    #[test]
    fn whole_lines_are_read_in_order_and_long_ones_in_pieces() {
        let log = Log::new();
        assert!(lines(&log, 80).is_empty());
        log.add(b"one\n\nthree\nnot ended");
        assert_eq!(lines(&log, 80), ["one", "", "three"]);
        log.add(b"\n");
        assert_eq!(lines(&log, 5), ["one", "", "three", "not e", "nded"]);
    }

    #[test]
    fn the_last_whole_lines_of_a_long_log_are_kept() {
        let log = Log::new();
        for line in 0..1000 {
            log.add(format!("line {line}\n").as_bytes());
            let lines = lines(&log, 80);
            let first = line + 1 - lines.len();
            assert!(lines.iter().zip(first..).all(|(text, line)| *text == format!("line {line}")));
        }
        let kept = lines(&log, 80).iter().map(|line| line.len() + 1).sum::<usize>();
        assert!((KEPT - MARGIN - 10..=KEPT - MARGIN).contains(&kept), "{kept}");
        log.add(&[b'x'; 2 * KEPT]);
        assert!(lines(&log, 80).is_empty(), "no line is whole");
    }
}
