//! Filling a partition's memory, when it is built: with zeros, then with its images and its tree.

use bulkhead::arch::addr::{Ipa, Pa, Region};
use bulkhead::boot::plan::{GuestMemory, PartitionPlan};
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::el2::arch::cache;
use crate::el2::arch::registers::read_register;

/// How much a CPU does between two looks at what else there is for it, in bytes.
const PIECE: u64 = 256 << 10;

/// What goes into a partition's memory: where its bytes are, and where the first one goes.
pub type Content = (Region<Pa>, Ipa);

/// The kernel, the tree and the ramdisk.
pub fn contents(plan: &PartitionPlan, tree: &[u8]) -> [Option<Content>; 3] {
    let tree = Region::new(Pa::new(tree.as_ptr() as u64), tree.len() as u64);
    [
        Some((plan.kernel.source, plan.kernel.load.start())),
        tree.map(|tree| (tree, plan.tree.start())),
        plan.ramdisk.map(|ramdisk| (ramdisk.source, ramdisk.load.start())),
    ]
}

/// Copies `size` bytes from `offset` of a content, through to where a guest reads them with its
/// caches off. The source stays as it is.
pub fn copy(memory: &GuestMemory, (source, target): Content, offset: u64, size: u64) {
    let place = target.get() - memory.guest.start().get() + offset;
    let to = memory.host.part(place, size);
    let (Some(from), Some(to)) = (source.part(offset, size), to) else {
        panic!("the Plan has placed it inside the partition");
    };
    let (source, target) = (from.start().get() as *const u8, to.start().get() as *mut u8);
    // SAFETY: boot has mapped the sources of the images, and the partition's memory is open; the regions are
    // within these, no source lies in a partition's memory, and no guest runs in it now.
    unsafe { target.copy_from_nonoverlapping(source, size as usize) };
    cache::clean_and_invalidate(to);
}

/// Does what nobody else has taken of `size` bytes of work, a piece at a time: offset and size. After
/// each it does what is `between`.
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

/// Fills whole pages of a partition's memory with zeros, through to where a guest reads them with
/// its caches off.
///
/// # Safety
///
/// The pages must be of a partition's memory that is mapped, and in which no guest runs.
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
        // SAFETY: the caller vouches for the pages.
        unsafe { slice::from_raw_parts_mut(start, pages.size() as usize) }.fill(0);
    }
    cache::clean_and_invalidate(pages);
}
