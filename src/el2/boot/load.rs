//! Copies a partition's images and device tree into its memory, and fills its disks, on all of its
//! CPUs.

use alloc::vec::Vec;
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::util::pieces::Pieces;
use core::sync::atomic::{AtomicU64, Ordering};

use super::disks::{self, Disk};
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
    /// The disks to fill.
    disks: Vec<Disk>,
    /// The number of bytes of all contents and disks that are copied or filled.
    copied: AtomicU64,
}

impl Load {
    /// Maps the sources of the partition's images that are not among `images`, and the disks that it
    /// has to fill, and returns the contents to copy.
    pub fn new(
        plan: &PartitionPlan,
        memory: PartitionMemory,
        images: &'static Images,
        tree: &[u8],
    ) -> Self {
        for source in plan.sources() {
            if !images.have(&source) {
                mmu::map_memory(source);
            }
        }
        Self {
            memory,
            contents: fill::contents(plan, tree),
            pieces: [const { Pieces::new() }; 3],
            disks: disks::of(plan, images),
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
        for disk in &self.disks {
            disk.take_part(&self.copied);
        }
    }

    /// Waits until everything is copied, and calls `complete`.
    pub fn finish(&self, complete: impl FnOnce()) {
        let size = self.contents.iter().flatten().map(|(source, _)| source.size()).sum::<u64>()
            + self.disks.iter().map(Disk::size).sum::<u64>();
        while self.copied.load(Ordering::Acquire) < size {
            sync::relax();
        }
        complete();
        cache::invalidate_instructions();
    }
}
