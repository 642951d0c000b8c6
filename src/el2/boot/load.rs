//! Copies a partition's images and device tree into its memory, on all of its CPUs.

use bulkhead::boot::plan::{GuestMemory, PartitionPlan};
use core::sync::atomic::{AtomicU64, Ordering};

use super::mmu;
use crate::el2::arch::{cache, sync};
use crate::el2::mm::fill::{self, Content};
use crate::el2::mm::window;

/// The contents that are being copied.
pub struct Load {
    memory: GuestMemory,
    contents: [Option<Content>; 3],
    /// The bytes of each that a CPU copies or has copied.
    taken: [AtomicU64; 3],
    /// The bytes of all of them that are copied.
    copied: AtomicU64,
}

impl Load {
    /// Maps the partition's memory and the sources of its images.
    pub fn new(plan: &PartitionPlan, tree: &[u8]) -> Self {
        mmu::map_memory(plan.memory.host);
        for image in plan.ramdisk.iter().chain([&plan.kernel]) {
            mmu::map_memory(image.source);
        }
        Self {
            memory: plan.memory,
            contents: fill::contents(plan, tree),
            taken: [const { AtomicU64::new(0) }; 3],
            copied: AtomicU64::new(0),
        }
    }

    /// Copies the pieces that no other CPU copies.
    pub fn take_part(&self) {
        for (content, taken) in self.contents.iter().zip(&self.taken) {
            let Some(content) = content else { continue };
            let copy = |offset, size| {
                fill::copy(&self.memory, *content, offset, size);
                self.copied.fetch_add(size, Ordering::Release);
            };
            fill::share(taken, content.0.size(), copy, || {});
        }
    }

    /// Waits until everything is copied, and closes the memory to EL2.
    pub fn finish(&self) {
        let size = self.contents.iter().flatten().map(|(source, _)| source.size()).sum();
        while self.copied.load(Ordering::Acquire) < size {
            sync::relax();
        }
        cache::invalidate_instructions();
        window::close(self.memory.host);
    }
}
