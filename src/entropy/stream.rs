//! The random numbers of one vCPU.

use super::key::{Key, WORDS, keystream};
use super::{READ, scrub_stack};

/// An endless sequence of random numbers. It differs from all others once
/// [`Pool::start`](super::Pool::start) has given it its first key, in place, so that no copy of the
/// key stays elsewhere. One CPU reads it.
#[derive(Debug, Default)]
pub struct Stream(pub(super) Key);

impl Stream {
    /// Fills `words` with the next numbers, and replaces the key. Takes about 1,800 instructions for
    /// up to four words.
    pub fn fill(&self, words: &mut [u64]) {
        self.read(words);
        scrub_stack();
    }

    // Not inlined, so that all it leaves on the stack is below its caller's frame.
    #[inline(never)]
    fn read(&self, words: &mut [u64]) {
        let mut next = [0; WORDS];
        keystream(&self.0.get(), [READ, 0, 0], &mut next, words);
        self.0.set(&next);
    }
}
