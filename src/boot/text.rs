//! Text from device trees, made safe to print.

use alloc::string::String;

/// The largest number of characters that are printed of one text.
const MAX_LENGTH: usize = 300;

/// Returns `text` as one line without control characters: whatever is not printable ASCII becomes
/// `?`, and `...` replaces what is past [`MAX_LENGTH`].
pub(crate) fn printable(text: &str) -> String {
    let is_plain = |it: char| it.is_ascii_graphic() || it == ' ';
    let mut line = String::new();
    let mut rest = text.chars();
    line.extend(rest.by_ref().take(MAX_LENGTH).map(|it| if is_plain(it) { it } else { '?' }));
    if rest.next().is_some() {
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(printable("cpus = <0x1> \"~\""), "cpus = <0x1> \"~\"");
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(printable("a\r\n[bulkhead]\x1b[2J\u{202e}\u{7f}"), "a??[bulkhead]?[2J??");
    }

    #[test]
    fn long_text_is_cut() {
        let text = "x".repeat(MAX_LENGTH);
        assert_eq!(printable(&text), text);
        assert_eq!(printable(&(text.clone() + "y")), text + "...");
    }
}
