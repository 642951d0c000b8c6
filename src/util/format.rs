//! Formatted output to destinations that take bytes, used while guests run.

use core::fmt::{self, Write};

/// A destination for formatted text.
pub trait Sink {
    /// Appends a piece of text.
    fn put(&mut self, text: &[u8]);
}

/// Formats `text` to `sink`. All sinks share this code.
#[inline(never)]
pub fn format(text: fmt::Arguments<'_>, sink: &mut dyn Sink) {
    // Neither sinks nor the formatted values return errors.
    _ = fmt::write(&mut Pieces(sink), text);
}

struct Pieces<'a>(&'a mut dyn Sink);

impl Write for Pieces<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        // `core::fmt` writes single characters only as padding, which is ASCII.
        self.0.put(&[character as u8]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    struct Text(Vec<u8>);

    impl Sink for Text {
        fn put(&mut self, text: &[u8]) {
            self.0.extend(text);
        }
    }

    #[test]
    fn pieces_and_padding_arrive_in_order() {
        let mut text = Text(Vec::new());
        format(format_args!("x{:<3}{:#06x} {}", 7, 0xab, "end"), &mut text);
        assert_eq!(text.0, b"x7  0x00ab end");
    }
}
