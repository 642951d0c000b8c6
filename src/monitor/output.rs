//! Where a terminal's next bytes stand until they are taken.

use core::fmt;

/// How wide the answers may be.
pub(super) const COLUMNS: usize = 80;
/// Room for a line with its end and the prompt behind it, and for a line that is drawn again.
const CAPACITY: usize = 128;

/// A sentence in an [`Output`] says what is wrong.
pub(super) struct Sentence;

/// A line, or less, on its way out.
pub(super) struct Output {
    bytes: [u8; CAPACITY],
    len: usize,
    taken: usize,
}

impl Output {
    pub const EMPTY: Self = Self { bytes: [0; CAPACITY], len: 0, taken: 0 };

    /// The byte that comes out next.
    pub fn peek(&self) -> Option<u8> {
        if self.taken < self.len { self.bytes.get(self.taken).copied() } else { None }
    }

    /// Takes it. What was all taken leaves the room empty.
    pub fn pop(&mut self) {
        self.taken += 1;
        if self.taken >= self.len {
            self.clear();
        }
    }

    /// Forgets all that was not taken.
    pub fn clear(&mut self) {
        (self.len, self.taken) = (0, 0);
    }

    /// Adds bytes as they are, as long as there is room.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.push(bytes, CAPACITY);
    }

    /// Adds text to a line of an answer, which is cut where it would get too wide.
    pub fn text(&mut self, text: &str) {
        self.word(text.as_bytes());
    }

    /// The same for text as bytes.
    #[inline(never)]
    pub fn word(&mut self, text: &[u8]) {
        self.push(text, COLUMNS);
    }

    /// Adds text and behind it, between quotation marks, a word of somebody's, as far as a sentence
    /// has room for it.
    #[inline(never)]
    pub fn quote(&mut self, before: &str, word: &[u8]) {
        /// As long as a partition's name can be.
        const SHOWN: usize = 15;
        self.text(before);
        self.text("\"");
        self.word(word.get(..SHOWN).unwrap_or(word));
        self.text("\"");
    }

    #[inline(never)]
    fn push(&mut self, bytes: &[u8], end: usize) {
        for (place, byte) in self.bytes[..end].iter_mut().skip(self.len).zip(bytes) {
            *place = *byte;
            self.len += 1;
        }
    }

    /// Goes on at `column`, or behind a space if the line is longer already.
    #[inline(never)]
    pub fn column(&mut self, column: usize) {
        self.text(" ");
        while self.len < column.min(COLUMNS) {
            self.text(" ");
        }
    }

    /// Adds a number, without its last `decimals` digits before a point, that ends in front of
    /// `column`.
    #[inline(never)]
    pub fn number(&mut self, mut number: u64, decimals: usize, column: usize) {
        let (point, least) = if decimals > 0 { (decimals, decimals + 2) } else { (usize::MAX, 1) };
        // The digits of 2^64 - 1 and the point.
        let mut digits = [b'.'; 21];
        let mut width = 0;
        for place in digits.iter_mut().rev() {
            if number == 0 && width >= least {
                break;
            }
            if width != point {
                *place = b'0' + (number % 10) as u8;
                number /= 10;
            }
            width += 1;
        }
        self.column(column.saturating_sub(width));
        self.word(digits.get(digits.len() - width..).unwrap_or_default());
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    fn taken(output: &mut Output) -> String {
        let next = || output.peek().inspect(|_| output.pop());
        core::iter::from_fn(next).map(char::from).collect()
    }

    #[test]
    fn numbers_end_where_they_should() {
        let mut output = Output::EMPTY;
        for (number, decimals, text) in [
            (0, 0, "       0"),
            (1234567, 0, " 1234567"),
            (0, 3, "   0.000"),
            (12345, 3, "  12.345"),
            (7, 1, "     0.7"),
            (12345678, 0, " 12345678"),
            (u64::MAX, 0, " 18446744073709551615"),
            (u64::MAX, 3, " 18446744073709551.615"),
        ] {
            output.number(number, decimals, 8);
            assert_eq!(taken(&mut output), text);
        }
    }

    #[test]
    fn an_answer_is_never_too_wide() {
        let mut output = Output::EMPTY;
        output.text(&"x".repeat(78));
        output.number(12345, 0, 0);
        output.column(200);
        output.raw(b"\r\n");
        assert_eq!(taken(&mut output), format!("{} 1\r\n", "x".repeat(78)));
        output.raw(&[b'y'; 200]);
        assert_eq!(taken(&mut output), "y".repeat(CAPACITY));
    }
}
