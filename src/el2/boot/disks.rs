//! Fills disks, with their images, then with zeros, and shared memory with zeros. They are mapped for
//! that alone.

use alloc::vec::Vec;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region, Va};
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::util::pieces::Pieces;
use core::sync::atomic::{AtomicU64, Ordering};

use super::mmu;
use crate::el2::arch::cache;
use crate::el2::mm::fill::{self, COPY_PIECE};
use crate::el2::mm::images::Images;

/// A disk, or shared memory, that a partition has to fill.
pub struct Disk {
    /// Its memory, which is mapped.
    memory: Region<Pa>,
    /// The bytes that it begins with; may be empty.
    source: Region<Pa>,
    /// The images of all partitions.
    images: &'static Images,
    /// The progress.
    pieces: Pieces,
}

/// Maps the disks and the shared memory that a partition has to fill, and returns them. Disks that
/// are the same as another's are filled there, and shared memory by the partition of port 0.
pub fn of(plan: &PartitionPlan, images: &'static Images) -> Vec<Disk> {
    let mut disks = Vec::new();
    let mut add = |memory: Option<Region<Pa>>, source: Option<Region<Pa>>| {
        if let Some(memory) = memory {
            mmu::map_memory(memory);
            let source = source.unwrap_or(Region::EMPTY);
            disks.push(Disk { memory, source, images, pieces: Pieces::new() });
        }
    };
    plan.disks.iter().for_each(|disk| add(disk.own_memory(), disk.source));
    plan.shared_memory.iter().for_each(|port| add(port.own_memory(), None));
    disks
}

impl Disk {
    /// Returns the size in bytes.
    pub fn size(&self) -> u64 {
        self.memory.size()
    }

    /// Fills the pieces that no other CPU has taken, and adds their bytes to `filled`.
    pub fn take_part(&self, filled: &AtomicU64) {
        let fill = |offset, size| {
            self.fill(offset, size);
            filled.fetch_add(size, Ordering::Release);
        };
        fill::share(&self.pieces, (self.size(), COPY_PIECE), fill, || {});
    }

    /// Fills `size` bytes from `offset` on, whole pages, and cleans them to memory, from which a
    /// guest reads them with its caches off.
    fn fill(&self, offset: u64, size: u64) {
        let end = offset + size;
        // How far the image reaches in this piece. The page that it ends in is zeroed first.
        let image = self.source.size().clamp(offset, end);
        let zeros = image & !(PAGE_SIZE - 1);
        let part = |start, size| {
            let part = self.memory.part(start, size).expect("the piece is inside the disk");
            // Where `of` has mapped it.
            Region::new(Va::new(part.start().get()), size).unwrap_or(Region::EMPTY)
        };
        if zeros < end {
            // SAFETY: `of` has mapped the disk, and no vCPU of any partition runs before the last
            // partition is built. `Pieces` gives each piece to one CPU.
            unsafe { fill::scrub(part(zeros, end - zeros)) };
        }
        if image > offset {
            let from = self.source.part(offset, image - offset).expect("it ends with the image");
            let to = part(offset, image - offset);
            self.images.with(&from, |from| {
                let target = to.start().get() as *mut u8;
                // SAFETY: the images' window maps the source, or it is in Bulkhead's image or in
                // the machine's tree, which stay mapped; `of` has mapped the disk; both have as
                // many bytes (`part`); the Plan keeps sources out of disks; and no vCPU runs before
                // the last partition is built.
                unsafe { target.copy_from_nonoverlapping(from, to.size() as usize) };
            });
            cache::clean_and_invalidate(to);
        }
    }
}
