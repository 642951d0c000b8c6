//! The known name that a mistyped one was meant to be.

/// How many bytes of a name count.
const COMPARED: usize = 100;

/// The one of `names` that is the fewest insertions, deletions and substitutions away from `name`;
/// of equals, the first; empty if there are none. Names that are longer than 100 bytes are as near
/// as their first 100 are.
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

/// The Levenshtein distance, by a row of the table at a time.
fn distance(from: &[u8], to: &[u8]) -> u8 {
    let mut row: [u8; COMPARED] = core::array::from_fn(|index| index as u8 + 1);
    // How far what has been seen of `from` is from nothing, and then from ever more of `to`.
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
