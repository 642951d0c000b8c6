//! The random numbers of one vCPU.

use super::key::{Block, Key, WORDS, keystream};
use super::{READ, scrub_stack};

/// The most blocks that are read with one key.
const BLOCKS: usize = 2;
/// The most words of output that are read with one key.
pub const MOST: usize = BLOCKS * size_of::<Block>() / size_of::<u64>() - WORDS;

/// An endless sequence of random numbers. It differs from all others once
/// [`Pool::start`](super::Pool::start) has given it its first key, in place, so that no copy of the
/// key stays elsewhere. One CPU reads it.
#[derive(Default)]
pub struct Stream(pub(super) Key);

impl Stream {
    /// Fills `words` with the next numbers, and replaces the key. Takes about 1,700 instructions for
    /// up to four words.
    pub fn fill(&self, words: &mut [u64]) {
        for words in words.chunks_mut(MOST) {
            read(&self.0, [READ, 0, 0], &self.0, words);
            scrub_stack();
        }
    }
}

/// Reads the keystream of the key `from` and a nonce: first a key, which is stored in `to`, then up
/// to [`MOST`] words of output.
// Not inlined, so that all it leaves on the stack is below its caller's frame.
#[inline(never)]
pub(super) fn read(from: &Key, nonce: [u32; 3], to: &Key, words: &mut [u64]) {
    let mut blocks = [Block::default(); BLOCKS];
    let count = (WORDS + words.len()).div_ceil(blocks[0].len());
    keystream(&from.get(), nonce, &mut blocks[..count]);
    let (key, numbers) = blocks.as_flattened().split_at(WORDS);
    to.set(key);
    words.copy_from_slice(&numbers[..words.len()]);
}
