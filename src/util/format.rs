//! Formatted text on its way to a place that takes bytes: what is printed while guests run.

use core::fmt::{self, Write};

/// Where text goes, a piece at a time.
pub trait Sink {
    /// Takes the next piece.
    fn put(&mut self, text: &[u8]);
}

/// Formats `text` to `sink`. One piece of code for all sinks.
#[inline(never)]
pub fn format(text: fmt::Arguments<'_>, sink: &mut dyn Sink) {
    // A sink does not fail, and neither does what is formatted.
    _ = fmt::write(&mut Pieces(sink), text);
}

struct Pieces<'a>(&'a mut dyn Sink);

impl Write for Pieces<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        // What is written by characters is what fills a column.
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
