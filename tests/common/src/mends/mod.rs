//! What keeps a promise, and the test that fails without it.
//!
//! A test of an attack is worth something only if it finds the attack where nothing stops it. Each
//! [`Mend`] names what stops one attack as changes of the source that take it out, and a test that
//! must fail then. `make mends` carries this out in a copy of the source; `tests/documents.rs`
//! checks that the changes fit the source and that the tests exist.

mod memory;
mod messages;
mod table;

use std::fs;
use std::path::Path;

/// All mends.
pub const MENDS: [&[Mend]; 3] = [table::MENDS, memory::MENDS, messages::MENDS];

/// Something that stops an attack.
pub struct Mend {
    /// The attack, in words.
    pub attack: &'static str,
    /// The changes that take the mend out.
    pub changes: &'static [Change],
    /// The tests each of which must fail then.
    pub tests: &'static [Test],
}

/// A change of a file: text that occurs once in it, and what replaces it.
pub struct Change {
    /// The path of the file in the repository.
    pub file: &'static str,
    /// The text to replace.
    pub from: &'static str,
    /// The new text.
    pub to: &'static str,
}

/// Returns a change.
const fn change(file: &'static str, from: &'static str, to: &'static str) -> Change {
    Change { file, from, to }
}

/// A test, by its path as the test program lists it, or by the end of the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Test {
    /// A test of the library.
    Library(&'static str),
    /// A model in the library that loom checks.
    Loom(&'static str),
    /// A test of the program `boot`.
    Boot(&'static str),
}

impl Test {
    /// Returns the test's path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Library(path) | Self::Loom(path) | Self::Boot(path) => path,
        }
    }
}

impl Change {
    /// Returns the text of the file below `root` with the change.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or does not have the text exactly once: a sentence.
    pub fn apply(&self, root: &Path) -> Result<String, String> {
        let Self { file, from, to } = self;
        let text =
            fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
        match text.matches(from).count() {
            1 => Ok(text.replace(from, to)),
            count => Err(format!("{file} has the text {count} times, not once: {from}")),
        }
    }
}
