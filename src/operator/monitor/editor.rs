//! The line editor and its history.

use core::mem::swap;

use super::command::is_same;
use super::output::Output;

/// The prompt before the line.
pub(super) const PROMPT: &[u8] = b"bulkhead> ";
/// The longest line in bytes. With the prompt it is narrower than a terminal, so that the line does
/// not wrap: the cursor could not move back to the row above.
pub(super) const LINE_BYTES: usize = 68;
/// The number of lines in the history.
const KEPT_LINES: usize = 8;

const BACKSPACE: u8 = 0x08;
const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;

/// Returns the control character of a letter.
const fn control(letter: u8) -> u8 {
    letter & 0x1f
}

/// Ctrl-C.
pub(super) const INTERRUPT: u8 = control(b'C');

/// A line of text.
#[derive(Clone, Copy)]
struct Line {
    bytes: [u8; LINE_BYTES],
    len: usize,
}

impl Line {
    const EMPTY: Self = Self { bytes: [0; LINE_BYTES], len: 0 };

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The part of an escape sequence that was typed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sequence {
    /// None of it.
    No,
    /// ESC.
    Begun,
    /// ESC and `[`, or ESC and `O`: a byte from `@` to `~` ends the sequence.
    Inside,
}

/// A line editor. It ignores bytes that have no meaning.
pub(super) struct Editor {
    line: Line,
    /// The index in the line at which the next character is inserted.
    cursor: usize,
    /// Whether more was typed than there is room for.
    too_long: bool,
    sequence: Sequence,
    /// The last lines, newest first.
    history: [Line; KEPT_LINES],
    /// The line of the history that was recalled last, from 1 on for the newest; 0 for none.
    recalled: usize,
    /// Whether the last byte was CR. LF after it does not end another line.
    after_cr: bool,
}

/// The effect of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Edit {
    /// The line is not complete.
    Continues,
    /// The line is complete.
    Complete,
}

impl Editor {
    pub const NEW: Self = Self {
        line: Line::EMPTY,
        cursor: 0,
        too_long: false,
        sequence: Sequence::No,
        history: [Line::EMPTY; KEPT_LINES],
        recalled: 0,
        after_cr: false,
    };

    /// Returns the line, or `None` if it was too long.
    pub fn line(&self) -> Option<&[u8]> {
        (!self.too_long).then(|| self.line.bytes())
    }

    /// Returns the line as it is shown, and the cursor's index in it.
    #[cfg(test)]
    pub fn shown(&self) -> (&[u8], usize) {
        (self.line.bytes(), self.cursor)
    }

    /// Begins a new line. Adds the old one to the history unless it is empty or the same as the
    /// last.
    pub fn begin(&mut self) {
        if self.line.len > 0 && !is_same(self.line.bytes(), self.history[0].bytes()) {
            let mut line = self.line;
            for kept in &mut self.history {
                swap(kept, &mut line);
            }
        }
        self.forget();
    }

    /// Begins a new line without adding the old one to the history.
    pub fn forget(&mut self) {
        (self.line.len, self.cursor, self.recalled, self.too_long) = (0, 0, 0, false);
    }

    /// Processes a typed byte, and writes what the terminal must show to `echo`.
    pub fn key(&mut self, byte: u8, echo: &mut Output) -> Edit {
        let after_cr = core::mem::replace(&mut self.after_cr, byte == b'\r');
        match (self.sequence, byte) {
            (_, b'\n') if after_cr => {}
            (_, b'\r' | b'\n') => {
                self.sequence = Sequence::No;
                echo.raw(b"\r\n");
                return Edit::Complete;
            }
            (_, ESCAPE) => self.sequence = Sequence::Begun,
            (Sequence::Begun, b'[' | b'O') => self.sequence = Sequence::Inside,
            (Sequence::Begun, _) => self.sequence = Sequence::No,
            (Sequence::Inside, b'@'..=b'~') => {
                self.sequence = Sequence::No;
                self.cursor_key(byte, echo);
            }
            (Sequence::Inside, b' '..=b'?') => {}
            (_, b' '..=b'~') => self.insert(byte, echo),
            _ => {
                self.sequence = Sequence::No;
                self.control_key(byte, echo);
            }
        }
        Edit::Continues
    }

    /// Processes a cursor key, given the last byte of its sequence (ECMA-48, 8.3: CUU, CUD, CUF,
    /// CUB; Home and End as terminals send them).
    fn cursor_key(&mut self, last: u8, echo: &mut Output) {
        match last {
            b'A' => self.recall(self.recalled + 1, echo),
            b'B' => self.recall(self.recalled.saturating_sub(1), echo),
            b'C' => self.move_to(self.cursor + 1, echo),
            b'D' => self.move_to(self.cursor.saturating_sub(1), echo),
            b'H' => self.move_to(0, echo),
            b'F' => self.move_to(self.line.len, echo),
            _ => {}
        }
    }

    /// Processes a control character.
    fn control_key(&mut self, byte: u8, echo: &mut Output) {
        const UP: u8 = control(b'P');
        const DOWN: u8 = control(b'N');
        const RIGHT: u8 = control(b'F');
        const LEFT: u8 = control(b'B');
        const HOME: u8 = control(b'A');
        const END: u8 = control(b'E');
        const KILL: u8 = control(b'U');
        const REDRAW: u8 = control(b'L');
        match byte {
            UP => self.cursor_key(b'A', echo),
            DOWN => self.cursor_key(b'B', echo),
            RIGHT => self.cursor_key(b'C', echo),
            LEFT => self.cursor_key(b'D', echo),
            HOME => self.cursor_key(b'H', echo),
            END => self.cursor_key(b'F', echo),
            BACKSPACE | DELETE => self.remove(echo),
            KILL => {
                self.forget();
                self.draw(echo);
            }
            REDRAW => self.draw(echo),
            _ => {}
        }
    }

    /// Inserts a character at the cursor.
    fn insert(&mut self, byte: u8, echo: &mut Output) {
        let Line { bytes, len } = &mut self.line;
        if *len == LINE_BYTES {
            self.too_long = true;
            return echo.raw(b"\x07");
        }
        *len += 1;
        let mut carried = byte;
        for place in bytes.get_mut(self.cursor..*len).unwrap_or_default() {
            swap(place, &mut carried);
        }
        self.cursor += 1;
        if self.cursor == *len { echo.raw(&[byte]) } else { self.draw(echo) }
    }

    /// Removes the character before the cursor.
    fn remove(&mut self, echo: &mut Output) {
        let Line { bytes, len } = &mut self.line;
        if self.cursor == 0 {
            return;
        }
        self.cursor -= 1;
        let mut carried = 0;
        for place in bytes.get_mut(self.cursor..*len).unwrap_or_default().iter_mut().rev() {
            swap(place, &mut carried);
        }
        *len -= 1;
        self.too_long = false;
        if self.cursor == *len { echo.raw(b"\x08 \x08") } else { self.draw(echo) }
    }

    /// Moves the cursor, at most to the end of the line.
    fn move_to(&mut self, cursor: usize, echo: &mut Output) {
        self.cursor = cursor.min(self.line.len);
        self.draw(echo);
    }

    /// Replaces the line by one of the history, from 1 on, or by an empty line for 0.
    fn recall(&mut self, number: usize, echo: &mut Output) {
        let line = match number.checked_sub(1) {
            None => Line::EMPTY,
            Some(index) => match self.history.get(index) {
                Some(line) if line.len > 0 => *line,
                _ => return,
            },
        };
        (self.line, self.cursor, self.recalled, self.too_long) = (line, line.len, number, false);
        self.draw(echo);
    }

    /// Redraws the prompt and the line over what the terminal's row shows.
    pub fn draw(&self, echo: &mut Output) {
        echo.raw(b"\r");
        echo.raw(PROMPT);
        echo.raw(self.line.bytes());
        // ECMA-48: EL, erase to the end of the line.
        echo.raw(b"\x1b[K");
        let back = self.line.len - self.cursor;
        if back > 0 {
            // ECMA-48: CUB, by at most 68 columns.
            let digits = [b'0' + (back / 10) as u8, b'0' + (back % 10) as u8];
            echo.raw(b"\x1b[");
            echo.raw(&digits);
            echo.raw(b"D");
        }
    }
}
