//! The parameters of a CPU's attacks.

use core::sync::atomic::{AtomicU64, Ordering};

use runtime::read_register;
use runtime::tree::machine;

use crate::random::Random;

/// The seed of this run, once [`seed`] has chosen it.
static SEED: AtomicU64 = AtomicU64::new(0);

/// What one CPU attacks with.
pub struct Context {
    /// Its source of random numbers.
    pub random: Random,
    /// How many times each random attack is repeated.
    pub rounds: u64,
    /// The CPU's index.
    index: u64,
}

impl Context {
    /// Returns the context of the CPU with this index.
    pub fn new(index: usize) -> Self {
        let seed = SEED.load(Ordering::Relaxed);
        let rounds = machine().number("rounds").unwrap_or(1);
        let index = index as u64;
        Self { random: Random::new(seed << 8 | index), rounds, index }
    }

    /// Returns whether every CPU makes every attempt, rather than a sample of each kind.
    pub const fn is_thorough(&self) -> bool {
        self.rounds > 1
    }

    /// Returns whether this CPU makes the attempt with this number, of those that the CPUs share.
    pub fn is_mine(&self, number: u64) -> bool {
        self.is_thorough() || number % count() as u64 == self.index
    }
}

/// Returns the number of CPUs.
pub fn count() -> usize {
    machine().cpus().len()
}

/// Chooses the seed of this run: that of the command line, or the physical count.
pub fn seed() -> u64 {
    let seed = machine().number("seed").unwrap_or_else(|| read_register!("cntpct_el0"));
    SEED.store(seed, Ordering::Relaxed);
    seed
}
