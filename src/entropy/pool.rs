//! What the machine's sources give, as one key.

use super::key::{Aligned, BYTES, Key, WORDS};
use super::stream::{Stream, read};
use super::{ADD, START, scrub_stack};

/// The number of bytes of sources from which on a pool is as good as its key: 256 bits.
pub const ENOUGH: usize = BYTES;

/// A source of entropy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// `/chosen/rng-seed` of the machine's tree.
    RngSeed,
    /// `/chosen/kaslr-seed` of the machine's tree.
    KaslrSeed,
    /// The register RNDRRS of the boot CPU (FEAT_RNG).
    Register,
    /// Firmware's TRNG calls (DEN0098).
    Firmware,
}

impl Source {
    /// All sources, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::RngSeed, Self::KaslrSeed, Self::Register, Self::Firmware];

    /// Returns its name for the boot report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RngSeed => "rng-seed",
            Self::KaslrSeed => "kaslr-seed",
            Self::Register => "RNDR",
            Self::Firmware => "firmware's TRNG",
        }
    }
}

/// The entropy of the machine, until every vCPU has its stream.
#[derive(Default)]
pub struct Pool {
    key: Key,
    /// The number of bytes that each source has given.
    given: [usize; Source::ALL.len()],
}

impl Pool {
    /// Adds what a source has given. A value of zeros is ignored: it is a seed that was used up and
    /// wiped before.
    pub fn add(&mut self, source: Source, value: &[u8]) {
        if value.iter().all(|byte| *byte == 0) {
            return;
        }
        for part in value.chunks(BYTES) {
            self.mix(part);
            scrub_stack();
            self.given[source as usize] += part.len();
        }
    }

    /// Replaces the key, unless it is the first, and adds up to 32 bytes of a source to it.
    // Not inlined, so that all it leaves on the stack is below its caller's frame.
    #[inline(never)]
    fn mix(&self, part: &[u8]) {
        if self.size() > 0 {
            read(&self.key, [ADD, self.size() as u32, 0], &self.key, &mut []);
        }
        let mut bytes = Aligned([0; BYTES]);
        bytes.0[..part.len()].copy_from_slice(part);
        let mut key = self.key.get();
        for (word, bytes) in key.iter_mut().zip(bytes.0.as_chunks().0) {
            *word ^= u64::from_le_bytes(*bytes);
        }
        self.key.set(&key);
    }

    /// Returns the number of bytes that a source has given.
    pub fn given(&self, source: Source) -> usize {
        self.given[source as usize]
    }

    /// Returns the number of bytes that all sources have given.
    pub fn size(&self) -> usize {
        self.given.iter().sum()
    }

    /// Returns whether the sources have given as many bytes as the key has, so that a partition's
    /// random numbers cannot be guessed. With fewer they serve for KASLR alone.
    pub fn is_enough(&self) -> bool {
        self.size() >= ENOUGH
    }

    /// Gives the stream of a vCPU its first key, and fills `words`, at most [`MOST`](super::MOST),
    /// with numbers that come before it. It must not be called twice for the same vCPU.
    pub fn start(&self, stream: &Stream, partition: u8, vcpu: usize, words: &mut [u64]) {
        read(&self.key, [START, partition.into(), vcpu as u32], &stream.0, words);
        scrub_stack();
    }

    /// Overwrites the key, after which the streams cannot be made again.
    pub fn wipe(&self) {
        self.key.set(&[0; WORDS]);
    }
}
