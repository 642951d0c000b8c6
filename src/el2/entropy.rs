//! The random numbers of a partition: the seeds in its device tree, and its TRNG calls.
//!
//! Once guests run, calls into this file are made only through [`RandomNumbers`], so that it can be
//! unmapped if the machine has no source of entropy. Each vCPU has a stream of its own, which its
//! CPU reads without a lock.

use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::entropy::{MOST, Pool, Stream, scrub_stack};
use bulkhead::smccc::trng;
use core::ops::Range;

use super::arch::cache;
use super::mm::window::Window;
use super::partition::RandomNumbers;

/// The number of 64-bit words of all seeds: `kaslr-seed` and `rng-seed`.
const WORDS: usize = 1 + 8;
const _: () = assert!(WORDS <= MOST);

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
    /// Returns the random numbers of the partition with this Plan, before [`start`](Self::start).
    /// `seeds` are the places of the seeds in its device tree.
    #[inline(always)]
    pub fn new(plan: &PartitionPlan, seeds: &[Range<usize>]) -> Self {
        let tree = plan.tree.start().get() - plan.memory.guest.start().get();
        let place = |seed: &Range<usize>| {
            let place = plan.memory.host.part(tree + seed.start as u64, seed.len() as u64);
            place.expect("the Plan has placed the tree inside the partition")
        };
        Self {
            of_vcpus: plan.cpus.iter().map(|_| Stream::default()).collect(),
            seeds: seeds.iter().map(place).collect(),
            has_trng: false,
        }
    }

    /// Starts the streams of the partition with this VMID, and writes the first seeds.
    ///
    /// # Safety
    ///
    /// See [`RandomNumbers::write_seeds`].
    // Not inlined, so that all it leaves on the stack is below its caller's frame.
    #[inline(never)]
    pub unsafe fn start(&mut self, pool: &Pool, vmid: u8, memory: &Window) {
        let mut words = [0; WORDS];
        for (vcpu, stream) in self.of_vcpus.iter().enumerate().rev() {
            let words = if vcpu == 0 { &mut words[..] } else { &mut [] };
            pool.start(stream, vmid, vcpu, words);
        }
        self.has_trng = pool.is_enough();
        // SAFETY: the caller guarantees what `write` requires.
        unsafe { self.write(&words, memory) };
    }

    /// Writes seeds from the next numbers.
    // Not inlined, so that all it leaves on the stack is below its caller's frame.
    #[inline(never)]
    unsafe fn write_next(&self, memory: &Window) {
        let mut words = [0; WORDS];
        self.of_vcpus[0].fill(&mut words);
        // SAFETY: the caller guarantees what `write` requires.
        unsafe { self.write(&words, memory) };
    }

    /// Writes all seeds.
    unsafe fn write(&self, words: &[u64; WORDS], memory: &Window) {
        let mut rest = &words[..];
        for seed in &self.seeds {
            let seed = memory.place(*seed);
            let (target, size) = (seed.start().get() as *mut u8, seed.size() as usize);
            let (words, others) = rest.split_at(size / size_of::<u64>());
            rest = others;
            // SAFETY: `new` has checked that the seed is inside the partition, and `split_at` that
            // there are as many words; the caller guarantees that the window is open onto it and
            // that nothing else uses it.
            unsafe { target.copy_from_nonoverlapping(words.as_ptr().cast(), size) };
            cache::clean_and_invalidate(seed);
        }
    }
}

impl RandomNumbers for Streams {
    unsafe fn write_seeds(&self, memory: &Window) {
        // SAFETY: the caller guarantees what `write` requires.
        unsafe { self.write_next(memory) };
        scrub_stack();
    }

    fn answer(&self, vcpu: usize, x: &mut [u64; 4]) {
        match self.of_vcpus.get(vcpu) {
            Some(stream) if self.has_trng => trng::answer(x, |words| stream.fill(words)),
            _ => trng::refuse(x),
        }
    }
}
