//! Copies a partition's images and device tree into its memory, on all of its CPUs.

use bulkhead::boot::plan::PartitionPlan;
use bulkhead::util::pieces::Pieces;
use core::sync::atomic::{AtomicU64, Ordering};

use super::mmu;
use crate::el2::arch::{cache, sync};
use crate::el2::mm::fill::{self, COPY_PIECE, Content, PartitionMemory};
use crate::el2::mm::images::Images;

/// The progress of copying the contents of one partition's memory.
pub struct Load {
    /// The partition's memory.
    memory: PartitionMemory,
    /// The contents to copy.
    contents: [Option<Content>; 3],
    /// The progress of each.
    pieces: [Pieces; 3],
    /// The number of bytes of all contents that are copied.
    copied: AtomicU64,
}

impl Load {
    /// Maps the sources of the partition's images that are not among `images`, and returns the
    /// contents to copy.
    pub fn new(
        plan: &PartitionPlan,
        memory: PartitionMemory,
        images: &Images,
        tree: &[u8],
    ) -> Self {
        for image in plan.ramdisk.iter().chain([&plan.kernel]) {
            if !images.have(&image.source) {
                mmu::map_memory(image.source);
            }
        }
        Self {
            memory,
            contents: fill::contents(plan, tree),
            pieces: [const { Pieces::new() }; 3],
            copied: AtomicU64::new(0),
        }
    }

    /// Copies the pieces that no other CPU has taken.
    pub fn take_part(&self) {
        for (content, pieces) in self.contents.iter().zip(&self.pieces) {
            let Some(content) = content else { continue };
            let copy = |offset, size| {
                self.memory.copy(*content, offset, size);
                self.copied.fetch_add(size, Ordering::Release);
            };
            fill::share(pieces, (content.0.size(), COPY_PIECE), copy, || {});
        }
    }

    /// Waits until everything is copied, and calls `complete`.
    pub fn finish(&self, complete: impl FnOnce()) {
        let size = self.contents.iter().flatten().map(|(source, _)| source.size()).sum();
        while self.copied.load(Ordering::Acquire) < size {
            sync::relax();
        }
        complete();
        cache::invalidate_instructions();
    }
}
