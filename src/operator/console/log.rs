//! The end of Bulkhead's own log.

/// The number of bytes that are kept.
const KEPT: usize = 4096;

/// The last bytes of a text.
pub struct Log {
    bytes: [u8; KEPT],
    /// How many bytes were ever added. A byte's position is the number of bytes before it.
    added: u64,
}

impl Log {
    /// An empty log.
    pub const EMPTY: Self = Self { bytes: [0; KEPT], added: 0 };

    /// Appends text.
    pub fn add(&mut self, mut text: &[u8]) {
        while !text.is_empty() {
            let (_, room) = self.bytes.split_at_mut(self.added as usize % KEPT);
            let (now, later) = text.split_at(text.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.added += now.len() as u64;
            text = later;
        }
    }

    /// Copies the rest of the line at `position`, as much of it as `into` has room for. Returns the
    /// number of bytes and the position to continue at, or `None` if the line has not ended. If the
    /// byte at `position` is no longer kept, copies the first line that is kept whole.
    pub fn read(&self, position: u64, into: &mut [u8]) -> Option<(usize, u64)> {
        let mut position = position;
        let oldest = self.added.saturating_sub(KEPT as u64);
        if position < oldest {
            position = self.line_end(oldest)? + 1;
        }
        let end = self.line_end(position)?;
        let len = into.len().min((end - position) as usize);
        for (byte, position) in into[..len].iter_mut().zip(position..) {
            *byte = self.byte(position);
        }
        position += len as u64;
        Some((len, position + u64::from(position == end)))
    }

    /// Returns the position of the first LF from `position` on.
    fn line_end(&self, position: u64) -> Option<u64> {
        (position..self.added).find(|position| self.byte(*position) == b'\n')
    }

    /// Returns the byte at a position.
    fn byte(&self, position: u64) -> u8 {
        self.bytes[position as usize % KEPT]
    }
}

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
        let mut log = Log::EMPTY;
        assert!(lines(&log, 80).is_empty());
        log.add(b"one\n\nthree\nnot ended");
        assert_eq!(lines(&log, 80), ["one", "", "three"]);
        log.add(b"\n");
        assert_eq!(lines(&log, 5), ["one", "", "three", "not e", "nded"]);
    }

    #[test]
    fn the_last_whole_lines_of_a_long_log_are_kept() {
        let mut log = Log::EMPTY;
        for line in 0..1000 {
            log.add(format!("line {line}\n").as_bytes());
            let lines = lines(&log, 80);
            let first = line + 1 - lines.len();
            assert!(lines.iter().zip(first..).all(|(text, line)| *text == format!("line {line}")));
        }
        let kept = lines(&log, 80).iter().map(|line| line.len() + 1).sum::<usize>();
        assert!((KEPT - 10..=KEPT).contains(&kept), "{kept}");
        log.add(&[b'x'; 2 * KEPT]);
        assert!(lines(&log, 80).is_empty(), "no line is whole");
    }
}
