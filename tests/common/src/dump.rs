//! What `guests/linux/init` dumps on the console.

use std::fs;
use std::path::PathBuf;

use crate::files::scratch;
use crate::lines::Lines;
use crate::outcome::Outcome;

/// Returns the lines of the dump with this name.
#[track_caller]
pub fn dump<'a>(outcome: &Outcome, lines: &Lines<'a>, name: &str) -> Lines<'a> {
    let (begin, end) =
        (format!("bulkhead-linux: begin {name}"), format!("bulkhead-linux: end {name}"));
    outcome.check(!lines.containing(&end).is_empty(), &format!("there is no dump of {name}"));
    lines.between(&begin, &end)
}

/// Writes the tree that Linux was given to a file, from its dump, and returns the file's path.
#[track_caller]
pub fn dumped_tree(outcome: &Outcome, lines: &Lines<'_>) -> PathBuf {
    let tree = decode_base64(&dump(outcome, lines, "fdt").0.concat());
    let tree = tree.unwrap_or_else(|| outcome.fail("the dump of the tree is not base64"));
    let path = scratch("guest.dtb");
    fs::write(&path, tree).expect("the tests' directory can be written");
    path
}

/// Decodes base64 (RFC 4648, section 4).
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::from(digit(byte)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}
