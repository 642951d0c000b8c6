//! Suggestions for mistyped names.

/// How many bytes of a name are compared.
const COMPARED: usize = 100;

/// Returns the first of `names` with the smallest Levenshtein distance to `name`: the number of
/// insertions, deletions and substitutions of a byte. Empty if `names` is. Only the first 100 bytes
/// of each name are compared.
pub fn nearest<'n>(name: &[u8], names: &mut dyn Iterator<Item = &'n str>) -> &'n str {
    let (mut nearest, mut least) = ("", u8::MAX);
    for known in names {
        let distance = distance(name, known.as_bytes());
        if distance < least {
            (nearest, least) = (known, distance);
        }
    }
    nearest
}

/// Returns the Levenshtein distance, computed row by row.
fn distance(from: &[u8], to: &[u8]) -> u8 {
    let mut row: [u8; COMPARED] = core::array::from_fn(|index| index as u8 + 1);
    // The distance between the bytes of `from` seen so far and a growing prefix of `to`.
    let mut left = to.len().min(COMPARED) as u8;
    for (seen, byte) in (0..).zip(from.iter().take(COMPARED)) {
        let mut diagonal = seen;
        left = seen + 1;
        for (above, other) in row.iter_mut().zip(to) {
            let substituted = diagonal + u8::from(byte != other);
            diagonal = *above;
            left = substituted.min(diagonal + 1).min(left + 1);
            *above = left;
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;

    #[test]
    fn insertions_deletions_and_substitutions_count_one_each() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "list", 4),
            ("list", "", 4),
            ("lst", "list", 1),
            ("liist", "list", 1),
            ("lisp", "list", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(from.as_bytes(), to.as_bytes()), expected, "{from} {to}");
        }
        assert_eq!(nearest(b"stip", &mut ["start", "stop"].into_iter()), "stop");
        assert_eq!(nearest(b"x", &mut core::iter::empty()), "");
    }

    proptest! {
        #[test]
        fn a_name_is_nearest_to_itself(one in "[ab]{0,150}", other in "[ab]{0,150}") {
            let names: [&str; 2] = [&other, &one];
            let found = nearest(one.as_bytes(), &mut names.into_iter());
            let start = |name: &str| -> String { name.chars().take(COMPARED).collect() };
            prop_assert_eq!(start(found), start(&one));
        }
    }
}
