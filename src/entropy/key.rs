//! A key of ChaCha20, and reading its keystream.

use chacha20::cipher::{KeyIvInit, StreamCipherCore};
use chacha20::variants::Ietf;
use chacha20::{ChaChaCore, R20};
use core::sync::atomic::{AtomicU64, Ordering};

/// The words of a key.
pub const WORDS: usize = 4;
/// The bytes of a key.
pub const BYTES: usize = 8 * WORDS;

/// A key that is replaced through a shared reference. One CPU at a time uses it, which its owner
/// ensures; the words are atomic so that this needs no lock.
// Not `Debug`, so that it is never printed.
#[derive(Default)]
pub struct Key([AtomicU64; WORDS]);

impl Key {
    /// Returns the words.
    pub fn get(&self) -> [u64; WORDS] {
        self.0.each_ref().map(|word| word.load(Ordering::Relaxed))
    }

    /// Replaces the words by the first four of `words`.
    pub fn set(&self, words: &[u64]) {
        for (word, value) in self.0.iter().zip(words) {
            word.store(*value, Ordering::Relaxed);
        }
    }
}

/// Bytes at a multiple of 8. The target has no unaligned accesses, so that words of other bytes are
/// read and written byte by byte.
#[repr(C, align(8))]
pub struct Aligned<const N: usize>(pub [u8; N]);

impl<const N: usize> Aligned<N> {
    /// Returns the bytes of these words.
    #[inline(always)]
    fn of<const WORD: usize>(words: &[[u8; WORD]]) -> Self {
        let mut bytes = Self([0; N]);
        for (bytes, word) in bytes.0.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = *word;
        }
        bytes
    }
}

/// A block of a keystream.
pub type Block = [u64; 8];

/// Writes the first blocks of the keystream of a key and a nonce. The cipher takes the key and
/// gives the keystream as bytes, which the words are in little-endian order; the words of the nonce
/// are as RFC 8439, section 2.3 has them.
// One copy for all callers.
#[inline(never)]
pub fn keystream(key: &[u64; WORDS], nonce: [u32; 3], blocks: &mut [Block]) {
    let key = Aligned::<BYTES>::of(&key.map(u64::to_le_bytes));
    let nonce = Aligned::<12>::of(&nonce.map(u32::to_le_bytes));
    let mut cipher = ChaChaCore::<R20, Ietf>::new((&key.0).into(), (&nonce.0).into());
    for block in blocks {
        let mut bytes = Aligned([0; size_of::<Block>()]);
        cipher.write_keystream_block((&mut bytes.0).into());
        for (word, bytes) in block.iter_mut().zip(bytes.0.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
    }
}
