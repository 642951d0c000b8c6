//! The keys that select which partition has the console.

/// Ctrl-], which begins a command of two keys.
pub const ESCAPE: u8 = 0x1d;

/// The meaning of a typed byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// None yet: the next byte completes the command.
    Begun,
    /// Input for the partition or the monitor that has the console's input.
    Input(u8),
    /// Ctrl-] 0: selects the shared view.
    Shared,
    /// Ctrl-] Ctrl-]: selects the monitor.
    Monitor,
    /// Ctrl-] and a digit from 1 on: selects the partition with this index in the Plan, from 0 on.
    Number(usize),
    /// Ctrl-] and a letter, here in lower case: selects the next partition whose name begins with
    /// it.
    Letter(u8),
    /// Ctrl-] and any other byte.
    Unknown,
}

/// A decoder that separates commands from input.
#[derive(Default)]
pub struct Keys {
    /// Whether the last byte began a command.
    begun: bool,
}

impl Keys {
    /// Decodes the next byte.
    pub fn read(&mut self, byte: u8) -> Key {
        if !self.begun {
            self.begun = byte == ESCAPE;
            return if self.begun { Key::Begun } else { Key::Input(byte) };
        }
        self.begun = false;
        match byte {
            ESCAPE => Key::Monitor,
            b']' => Key::Input(ESCAPE),
            b'0' => Key::Shared,
            b'1'..=b'9' => Key::Number(usize::from(byte - b'1')),
            b'a'..=b'z' | b'A'..=b'Z' => Key::Letter(byte.to_ascii_lowercase()),
            _ => Key::Unknown,
        }
    }
}

/// Returns the index of the next name after the one at `current` that begins with `letter`, in
/// either case. Continues with the first name after the last; `current` itself comes last.
pub fn find_name<'a>(
    letter: u8,
    current: Option<usize>,
    names: impl Iterator<Item = &'a str>,
) -> Option<usize> {
    let (mut first, mut next) = (None, None);
    for (index, name) in names.enumerate() {
        let begins = name.as_bytes().first().is_some_and(|it| it.eq_ignore_ascii_case(&letter));
        if begins {
            first = first.or(Some(index));
            if current.is_some_and(|current| index > current) {
                next = next.or(Some(index));
            }
        }
    }
    next.or(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn read(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        bytes.iter().map(|&byte| keys.read(byte)).filter(|key| *key != Key::Begun).collect()
    }

    #[test]
    fn each_command_is_decoded() {
        assert_eq!(
            read(b"a\x1d1\x1d9\x1d0\x1dq\x1dQ"),
            [
                Key::Input(b'a'),
                Key::Number(0),
                Key::Number(8),
                Key::Shared,
                Key::Letter(b'q'),
                Key::Letter(b'q'),
            ]
        );
        let keys = read(b"\x1d\x1d\x1d]]\x1d?x\x1d\r1");
        let input = Key::Input;
        assert_eq!(
            keys,
            [
                Key::Monitor,
                input(ESCAPE),
                input(b']'),
                Key::Unknown,
                input(b'x'),
                Key::Unknown,
                input(b'1'),
            ]
        );
    }

    #[test]
    fn names_with_the_same_letter_take_turns() {
        let names = || ["linux", "sensor", "Log", "7up"].into_iter();
        let find = |letter, current| find_name(letter, current, names());
        assert_eq!(
            [find(b'l', None), find(b'l', Some(0)), find(b'l', Some(2))],
            [Some(0), Some(2), Some(0)]
        );
        assert_eq!(
            [find(b's', Some(1)), find(b's', Some(3)), find(b'x', Some(1))],
            [Some(1), Some(1), None]
        );
    }

    proptest! {
        #[test]
        fn every_byte_can_be_typed(text: Vec<u8>) {
            let mut typed = Vec::new();
            for &byte in &text {
                typed.extend([byte].iter().chain([b']'].iter().filter(|_| byte == ESCAPE)));
            }
            let read: Vec<_> = read(&typed);
            prop_assert_eq!(read, text.into_iter().map(Key::Input).collect::<Vec<_>>());
        }

        #[test]
        fn input_passes_after_each_command(before: Vec<u8>, byte: u8) {
            let mut keys = Keys::default();
            for byte in before {
                keys.read(byte);
            }
            if keys.read(byte) == Key::Begun {
                prop_assert!(keys.read(byte) != Key::Begun);
            }
            prop_assert_eq!(keys.read(b'x'), Key::Input(b'x'));
        }
    }
}
