//! Text that others wrote, made fit for Bulkhead's own lines.

use alloc::string::String;

/// How many characters are shown of one text.
const MOST: usize = 300;

/// `text` as one line that no terminal obeys and nobody takes for several: what is not printable
/// ASCII becomes `?`, and what is longer than people read is cut.
pub(crate) fn printable(text: &str) -> String {
    let is_plain = |it: char| it.is_ascii_graphic() || it == ' ';
    let mut line = String::new();
    let mut rest = text.chars();
    line.extend(rest.by_ref().take(MOST).map(|it| if is_plain(it) { it } else { '?' }));
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
    fn what_a_terminal_would_obey_does_not_come_through() {
        assert_eq!(printable("a\r\n[bulkhead]\x1b[2J\u{202e}\u{7f}"), "a??[bulkhead]?[2J??");
    }

    #[test]
    fn long_text_is_cut() {
        let text = "x".repeat(MOST);
        assert_eq!(printable(&text), text);
        assert_eq!(printable(&(text.clone() + "y")), text + "...");
    }
}
