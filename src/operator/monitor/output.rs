//! The buffer of a terminal's output.

use crate::util::format::Sink;

/// The largest width of an answer.
pub(super) const COLUMNS: usize = 80;
/// The capacity in bytes: a line with its end and the prompt after it, or a line that is redrawn.
const CAPACITY: usize = 128;

/// The error whose message is in an [`Output`].
pub(super) struct Message;

/// What is at a position of an answer.
pub(super) enum Part {
    /// A line, which was written, and the position of the next part.
    Line(u64),
    /// Work without a line or the begin of one, which was done, and the position of the next part.
    Work(u64),
    /// The end.
    End,
}

/// At most a line of output. All bytes from `len` on are spaces, so that [`Output::column`] writes
/// none.
pub(super) struct Output {
    bytes: [u8; CAPACITY],
    len: usize,
    taken: usize,
}

impl Output {
    pub const EMPTY: Self = Self { bytes: [b' '; CAPACITY], len: 0, taken: 0 };

    /// Returns the bytes that were not taken.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.taken..self.len).unwrap_or_default()
    }

    /// Takes the next bytes, as many as `count`. The last one makes all room available again.
    pub fn skip(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.len {
            self.clear();
        }
    }

    /// Discards all bytes that were not taken.
    pub fn clear(&mut self) {
        *self = Self::EMPTY;
    }

    /// Adds bytes unchanged, as many as there is room for.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.push(bytes, CAPACITY);
    }

    /// Adds text to a line of an answer, and cuts it off at [`COLUMNS`].
    pub fn text(&mut self, text: &str) {
        self.word(text.as_bytes());
    }

    /// Adds text as [`Output::text`] does, given as bytes.
    #[inline(never)]
    pub fn word(&mut self, text: &[u8]) {
        self.push(text, COLUMNS);
    }

    /// Adds text and, in quotation marks, the first bytes of a word that was typed.
    #[inline(never)]
    pub fn quote(&mut self, before: &str, word: &[u8]) {
        /// The longest name of a partition.
        const SHOWN: usize = 15;
        self.text(before);
        self.text("\"");
        self.word(word.get(..SHOWN).unwrap_or(word));
        self.text("\"");
    }

    /// Adds bytes up to position `end`.
    #[inline(never)]
    fn push(&mut self, bytes: &[u8], end: usize) {
        let room = self.bytes.get_mut(self.len..end).unwrap_or_default();
        let len = room.len().min(bytes.len());
        room[..len].copy_from_slice(&bytes[..len]);
        self.len += len;
    }

    /// Adds spaces up to `column`, at least one.
    #[inline(never)]
    pub fn column(&mut self, column: usize) {
        self.len = column.max(self.len + 1).min(COLUMNS).max(self.len);
    }

    /// Adds a decimal number with `decimals` digits after the point, right-aligned to end before
    /// `column`.
    #[inline(never)]
    pub fn number(&mut self, number: u64, decimals: usize, column: usize) {
        let digits = Digits::new(number, 10, decimals, 1);
        self.column(column.saturating_sub(digits.width));
        self.word(digits.text());
    }

    /// Adds a decimal number with `decimals` digits after the point.
    pub fn count(&mut self, number: u64, decimals: usize) {
        self.word(Digits::new(number, 10, decimals, 1).text());
    }

    /// Adds a hexadecimal number of at least `least` digits.
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

/// The digits of a number, at the end of an array that has room for `u64::MAX` and a point.
pub(super) struct Digits {
    bytes: [u8; 21],
    width: usize,
}

impl Digits {
    /// Formats a number with its last `decimals` digits after a point and at least one before it.
    /// If `decimals` is 0, there is no point and there are at least `least` digits.
    #[inline(never)]
    fn new(mut number: u64, radix: u64, decimals: usize, least: usize) -> Self {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let (point, least) =
            if decimals > 0 { (decimals, decimals + 2) } else { (usize::MAX, least) };
        let mut digits = Self { bytes: [b'.'; 21], width: 0 };
        for place in digits.bytes.iter_mut().rev() {
            if digits.width != point {
                *place = DIGITS[(number % radix) as usize % DIGITS.len()];
                number /= radix;
            }
            digits.width += 1;
            if number == 0 && digits.width >= least {
                break;
            }
        }
        digits
    }

    /// Returns the digits as text. Not inlined, as it has several callers.
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
        let text = String::from_utf8(output.bytes().to_vec()).unwrap();
        output.skip(text.len());
        text
    }

    #[test]
    fn numbers_end_at_their_column() {
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
