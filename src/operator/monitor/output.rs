//! Where a terminal's next bytes stand until they are taken.

use crate::util::format::Sink;

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

    /// Adds a number, its last `decimals` digits behind a point, that ends in front of `column`.
    #[inline(never)]
    pub fn number(&mut self, number: u64, decimals: usize, column: usize) {
        let digits = Digits::new(number, 10, decimals, 1);
        self.column(column.saturating_sub(digits.width));
        self.word(digits.text());
    }

    /// The same right here.
    pub fn count(&mut self, number: u64, decimals: usize) {
        self.word(Digits::new(number, 10, decimals, 1).text());
    }

    /// Adds a hexadecimal number of at least so many digits.
    #[inline(never)]
    pub fn hexadecimal(&mut self, number: u64, least: usize) {
        self.text("0x");
        self.word(Digits::new(number, 16, 0, least).text());
    }
}

impl Sink for Output {
    fn put(&mut self, text: &[u8]) {
        self.word(text);
    }
}

/// A number's digits, at the end of room for those of 2^64 - 1 and a point.
pub(super) struct Digits {
    bytes: [u8; 21],
    width: usize,
}

impl Digits {
    /// The last `decimals` digits stand behind a point, and before it is one more at least; of a number
    /// without a point there are `least` digits.
    #[inline(never)]
    fn new(mut number: u64, radix: u64, decimals: usize, least: usize) -> Self {
        let (point, least) =
            if decimals > 0 { (decimals, decimals + 2) } else { (usize::MAX, least) };
        let mut digits = Self { bytes: [b'.'; 21], width: 0 };
        for place in digits.bytes.iter_mut().rev() {
            if number == 0 && digits.width >= least {
                break;
            }
            if digits.width != point {
                let digit = (number % radix) as u8;
                *place = if digit < 10 { b'0' + digit } else { b'a' - 10 + digit };
                number /= radix;
            }
            digits.width += 1;
        }
        digits
    }

    /// Those of a decimal number.
    pub fn of(number: u64) -> Self {
        Self::new(number, 10, 0, 1)
    }

    /// What there is to show.
    // Out of line, for there are several callers.
    #[inline(never)]
    pub fn text(&self) -> &[u8] {
        self.bytes.get(self.bytes.len() - self.width..).unwrap_or_default()
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
    fn numbers_are_written_in_place() {
        let mut output = Output::EMPTY;
        output.count(1500, 3);
        output.text(" ");
        output.count(0, 0);
        output.text(" ");
        output.hexadecimal(0xd_eadb_eef0, 8);
        output.text(" ");
        output.hexadecimal(0xab, 8);
        output.text(" ");
        output.hexadecimal(0, 1);
        assert_eq!(taken(&mut output), "1.500 0 0xdeadbeef0 0x000000ab 0x0");
        output.hexadecimal(u64::MAX, 1);
        assert_eq!(taken(&mut output), "0xffffffffffffffff");
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
