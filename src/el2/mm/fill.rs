//! Fills a partition's memory when it is built: with zeros, then with its images and its tree.

use bulkhead::arch::addr::{Ipa, Pa, Region};
use bulkhead::boot::plan::{GuestMemory, PartitionPlan};
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::el2::arch::cache;
use crate::el2::arch::registers::read_register;

/// The bytes that a CPU fills between two polls for interrupts.
const PIECE: u64 = 256 << 10;

/// A content of a partition's memory: its source, and the address of its first byte in the guest.
pub type Content = (Region<Pa>, Ipa);

/// Returns the kernel, the tree and the ramdisk.
pub fn contents(plan: &PartitionPlan, tree: &[u8]) -> [Option<Content>; 3] {
    let tree = Region::new(Pa::new(tree.as_ptr() as u64), tree.len() as u64);
    [
        Some((plan.kernel.source, plan.kernel.load.start())),
        tree.map(|tree| (tree, plan.tree.start())),
        plan.ramdisk.map(|ramdisk| (ramdisk.source, ramdisk.load.start())),
    ]
}

/// Copies `size` bytes from `offset` of a content, and cleans them to memory, where a guest reads them
/// with its caches off.
pub fn copy(memory: &GuestMemory, (source, target): Content, offset: u64, size: u64) {
    let place = target.get() - memory.guest.start().get() + offset;
    let to = memory.host.part(place, size);
    let (Some(from), Some(to)) = (source.part(offset, size), to) else {
        panic!("the Plan has placed it inside the partition");
    };
    let (source, target) = (from.start().get() as *const u8, to.start().get() as *mut u8);
    // SAFETY: boot mapped the sources of the images, and the partition's memory is open; `part` checked
    // that the regions are within these; the Plan keeps sources out of partitions' memory; and no vCPU
    // of this partition runs while it is filled.
    unsafe { target.copy_from_nonoverlapping(source, size as usize) };
    cache::clean_and_invalidate(to);
}

/// Does the pieces of `size` bytes of work that no other CPU has taken, by offset and size, and calls
/// `between` after each.
pub fn share(progress: &AtomicU64, size: u64, work: impl Fn(u64, u64), between: impl Fn()) {
    loop {
        let offset = progress.fetch_add(PIECE, Ordering::Relaxed);
        if offset >= size {
            return;
        }
        work(offset, PIECE.min(size - offset));
        between();
    }
}

/// Fills whole pages of a partition's memory with zeros, and cleans them to memory, where a guest reads
/// them with its caches off.
///
/// # Safety
///
/// The pages must be of a partition's memory that is open, and no vCPU of it may run.
pub unsafe fn scrub(pages: Region<Pa>) {
    // DCZID_EL0: DZP, and the block size in words.
    let dczid = read_register!("dczid_el0");
    if dczid & 1 << 4 == 0 {
        let block: u64 = 4 << (dczid & 0xf);
        let (start, end) = (pages.start().get(), pages.end().get());
        // SAFETY: writes zeros to the pages, which are a multiple of any block's size (Arm ARM
        // D24.2.34: at most 2 KiB), and are Normal memory: it would fault on Device memory.
        unsafe { cache::each_step!("zva", start, end, block) };
    } else {
        let start = pages.start().get() as *mut u8;
        // SAFETY: the caller vouches for the pages, which any bytes may fill.
        unsafe { slice::from_raw_parts_mut(start, pages.size() as usize) }.fill(0);
    }
    cache::clean_and_invalidate(pages);
}
