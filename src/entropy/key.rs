//! A key of ChaCha20, and reading its keystream.

use chacha20::cipher::{KeyIvInit, StreamCipherCore};
use chacha20::variants::Ietf;
use chacha20::{ChaChaCore, R20};
use core::sync::atomic::{AtomicU64, Ordering};

/// The words of a key.
pub const WORDS: usize = 4;
/// The bytes of a key.
pub const BYTES: usize = 8 * WORDS;
/// The bytes of a block of the keystream.
const BLOCK: usize = 64;

/// A key that is replaced through a shared reference. One CPU at a time uses it, which its owner
/// ensures; the words are atomic so that this needs no lock.
#[derive(Debug, Default)]
pub struct Key([AtomicU64; WORDS]);

impl Key {
    /// Returns the words.
    pub fn get(&self) -> [u64; WORDS] {
        self.0.each_ref().map(|word| word.load(Ordering::Relaxed))
    }

    /// Replaces the words.
    pub fn set(&self, words: &[u64; WORDS]) {
        for (word, value) in self.0.iter().zip(words) {
            word.store(*value, Ordering::Relaxed);
        }
    }
}

/// Writes the keystream of a key and a nonce to `first`, and what follows to `rest`. The cipher
/// takes the key and gives the keystream as bytes, which the words are in little-endian order; the
/// words of the nonce are as RFC 8439, section 2.3 has them.
// One copy for all callers.
#[inline(never)]
pub fn keystream(key: &[u64; WORDS], nonce: [u32; 3], first: &mut [u64; WORDS], rest: &mut [u64]) {
    let (key, nonce) = (key.map(u64::to_le_bytes), nonce.map(u32::to_le_bytes));
    let mut bytes = [0; BYTES];
    bytes.copy_from_slice(key.as_flattened());
    let mut iv = [0; 12];
    iv.copy_from_slice(nonce.as_flattened());
    let mut cipher = ChaChaCore::<R20, Ietf>::new(&bytes.into(), &iv.into());
    let mut block = [0; BLOCK];
    let mut next = BLOCK;
    for word in first.iter_mut().chain(rest) {
        if next == BLOCK {
            cipher.write_keystream_block((&mut block).into());
            next = 0;
        }
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&block[next..next + 8]);
        *word = u64::from_le_bytes(bytes);
        next += 8;
    }
}
