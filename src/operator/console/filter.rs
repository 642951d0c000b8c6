//! Passes only what a terminal shows of the guests' output in the shared view.
//!
//! In the shared view the terminal shows the lines of several partitions. A control sequence of one
//! could erase or imitate another's lines, or make the terminal answer with bytes that are taken
//! for typed ones (ECMA-48: ED, CUU, DSR). So only printable ASCII and TAB pass:
//!
//! | bytes | what happens |
//! |---|---|
//! | 0x20-0x7e, TAB | pass |
//! | ESC and what belongs to its sequence, up to the end of the line | removed |
//! | other control characters, DEL | removed |
//! | a character beyond ASCII in UTF-8 | `?` in its place |
//!
//! CR and LF never come here: the console gives them their meaning itself. Removing a whole
//! sequence leaves the text of output with colours readable. Bytes from 0x80 to 0x9f, which some
//! terminals take for control characters, only occur inside of UTF-8 characters.

/// The part of an escape sequence that came last (ECMA-48, 5.3 and 5.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Filter {
    /// None: text.
    #[default]
    Text,
    /// ESC, or ESC and intermediate bytes.
    Escape,
    /// ESC `[` and parameters: a byte from 0x40 to 0x7e ends the sequence.
    Control,
    /// ESC and `]`, `P`, `X`, `^` or `_`: a string that BEL or ESC `\` ends.
    String,
}

impl Filter {
    /// Returns whether a byte passes unchanged wherever no sequence is open.
    #[inline(always)]
    pub const fn is_text(byte: u8) -> bool {
        matches!(byte, b' '..=b'~') || byte == b'\t'
    }

    /// Takes the next byte, and returns what the terminal gets for it.
    pub fn pass(&mut self, byte: u8) -> Option<u8> {
        const ESCAPE: u8 = 0x1b;
        const BELL: u8 = 0x07;
        let (next, passed) = match (*self, byte) {
            (_, ESCAPE) => (Self::Escape, None),
            (Self::Text, _) if Self::is_text(byte) => (Self::Text, Some(byte)),
            // The first byte of a character in UTF-8.
            (Self::Text, 0xc0..) => (Self::Text, Some(b'?')),
            (Self::Escape, b'[') => (Self::Control, None),
            (Self::Escape, b']' | b'P' | b'X' | b'^' | b'_') => (Self::String, None),
            (Self::Escape, b' '..=b'/') => (Self::Escape, None),
            (Self::Control, b' '..=b'?') => (Self::Control, None),
            (Self::String, BELL) => (Self::Text, None),
            (Self::String, _) => (Self::String, None),
            _ => (Self::Text, None),
        };
        *self = next;
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    fn passed(bytes: &[u8]) -> String {
        let mut filter = Filter::default();
        bytes.iter().filter_map(|byte| filter.pass(*byte)).map(char::from).collect()
    }

    #[test]
    fn only_text_is_left_of_each_kind_of_sequence() {
        for (bytes, text) in [
            (&b"a\tb ~"[..], "a\tb ~"),
            (b"[\x1b[0;32m  OK  \x1b[0m] x", "[  OK  ] x"),
            (b"\x1b[2A\x1b[2K\x1b[6n\x1b[cforged", "forged"),
            (b"\x1b]0;title\x07x\x1b]0;title\x1b\\y", "xy"),
            (b"\x1bP1$r\x1b\\a\x1b(Bb\x1b#8c\x1bMd\x1b7e", "abcde"),
            (b"\x9b2Jx\x85\x8d", "2Jx"),
            ("na\u{ef}ve \u{2500}\u{1f600}".as_bytes(), "na?ve ??"),
            (b"\x00\x07\x08\x0b\x0c\x0e\x0f\x7f.", "."),
            (b"\x1b[1\x1b[2mx", "x"),
        ] {
            assert_eq!(passed(bytes), text, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_printable_ascii_and_tabs_passes(bytes: Vec<u8>) {
            prop_assert!(passed(&bytes).bytes().all(Filter::is_text));
        }

        #[test]
        fn plain_text_passes_unchanged(text in "[ -~\t]*") {
            prop_assert_eq!(passed(text.as_bytes()), text);
        }
    }
}
