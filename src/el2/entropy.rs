//! The random numbers of a partition: the seeds in its device tree, and its TRNG calls.
//!
//! Once guests run, calls into this file are made only through [`RandomNumbers`], so that it can be
//! unmapped if the machine has no source of entropy. Each vCPU has a stream of its own, which its
//! CPU reads without a lock.

use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::entropy::{Pool, Stream, scrub_stack};
use bulkhead::smccc::trng;
use core::ops::Range;

use super::arch::cache;
use super::partition::RandomNumbers;

/// The number of 64-bit words of the largest seed.
const MOST_WORDS: usize = 8;

/// The random numbers of a partition.
pub struct Streams {
    /// The stream of each vCPU.
    of_vcpus: Vec<Stream>,
    /// The physical addresses of the seeds in its device tree.
    seeds: Vec<Region<Pa>>,
    /// Whether there is enough entropy for TRNG calls.
    has_trng: bool,
}

impl Streams {
    /// Returns the random numbers of the partition with this Plan, at the start of their streams.
    /// `seeds` are the places of the seeds in its device tree.
    #[inline(always)]
    pub fn new(pool: &Pool, plan: &PartitionPlan, seeds: &[Range<usize>]) -> Self {
        let of_vcpus: Vec<_> = plan.cpus.iter().map(|_| Stream::default()).collect();
        for (vcpu, stream) in of_vcpus.iter().enumerate() {
            pool.start(stream, plan.vmid, vcpu);
        }
        let tree = plan.tree.start().get() - plan.memory.guest.start().get();
        let place = |seed: &Range<usize>| {
            let place = plan.memory.host.part(tree + seed.start as u64, seed.len() as u64);
            place.expect("the Plan has placed the tree inside the partition")
        };
        let seeds = seeds.iter().map(place).collect();
        Self { of_vcpus, seeds, has_trng: pool.is_enough() }
    }

    /// Writes a seed, which must be in memory that is open.
    // Not inlined, so that all it leaves on the stack is below its caller's frame.
    #[inline(never)]
    unsafe fn write_seed(&self, place: Region<Pa>) {
        let (target, size) = (place.start().get() as *mut u8, place.size() as usize);
        let mut words = [0; MOST_WORDS];
        self.of_vcpus[0].fill(&mut words[..size.div_ceil(8)]);
        // SAFETY: `new` has checked that the place is inside the partition, and `fill` above that
        // it is not larger than `words`; the caller guarantees that it is open and otherwise unused.
        unsafe { target.copy_from_nonoverlapping(words.as_ptr().cast(), size) };
        cache::clean_and_invalidate(place);
    }
}

impl RandomNumbers for Streams {
    unsafe fn write_seeds(&self) {
        for seed in &self.seeds {
            // SAFETY: the caller guarantees what `write_seed` requires.
            unsafe { self.write_seed(*seed) };
            scrub_stack();
        }
    }

    fn answer(&self, vcpu: usize, x: &mut [u64; 4]) {
        match self.of_vcpus.get(vcpu) {
            Some(stream) if self.has_trng => trng::answer(x, |words| stream.fill(words)),
            _ => trng::refuse(x),
        }
    }
}
