//! The known name that a mistyped one was meant to be.

use alloc::vec::Vec;

/// The one of `names` that is the fewest insertions, deletions and substitutions away from `name`;
/// of equals, the first; empty if there are none.
pub(super) fn nearest<'n>(name: &str, names: &mut dyn Iterator<Item = &'n str>) -> &'n str {
    let nearest = names.min_by_key(|known| distance(name.as_bytes(), known.as_bytes()));
    nearest.unwrap_or_default()
}

/// The Levenshtein distance, by a row of the table at a time.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, byte) in from.iter().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        row[0] = left;
        for (above, other) in row[1..].iter_mut().zip(to) {
            let substituted = diagonal + usize::from(byte != other);
            diagonal = *above;
            left = substituted.min(diagonal + 1).min(left + 1);
            *above = left;
        }
    }
    row[to.len()]
}
