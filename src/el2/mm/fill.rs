//! Fills a partition's memory when it is built: with zeros, then with its images and its device
//! tree.

use bulkhead::arch::addr::{Ipa, Pa, Region};
use bulkhead::boot::plan::{GuestMemory, PartitionPlan};
use bulkhead::util::pieces::Pieces;
use core::arch::asm;
use core::slice;

use crate::el2::arch::cache;
use crate::el2::arch::registers::read_register;

/// The numbers of bytes that a CPU scrubs or copies between two polls for interrupts, for which it
/// needs 10,000 and 14,000 instructions.
pub const SCRUB_PIECE: u64 = 128 << 10;
/// See [`SCRUB_PIECE`].
pub const COPY_PIECE: u64 = 64 << 10;

/// Bytes to copy into a partition's memory: their source, and the IPA of the first.
pub type Content = (Region<Pa>, Ipa);

/// Returns the contents of a partition's memory: its kernel, its device tree and its ramdisk.
pub fn contents(plan: &PartitionPlan, tree: &[u8]) -> [Option<Content>; 3] {
    let tree = Region::new(Pa::new(tree.as_ptr() as u64), tree.len() as u64);
    [
        Some((plan.kernel.source, plan.kernel.load.start())),
        tree.map(|tree| (tree, plan.tree.start())),
        plan.ramdisk.map(|ramdisk| (ramdisk.source, ramdisk.load.start())),
    ]
}

/// Copies `size` bytes from `offset` of a content, and cleans them to memory, from which a guest
/// reads them with its caches off.
pub fn copy(memory: &GuestMemory, (source, target): Content, offset: u64, size: u64) {
    let target_offset = target.get().wrapping_sub(memory.guest.start().get()).wrapping_add(offset);
    let to = memory.host.part(target_offset, size);
    let (Some(from), Some(to)) = (source.part(offset, size), to) else {
        panic!("the Plan has placed the content inside the partition");
    };
    let (source, target) = (from.start().get() as *const u8, to.start().get() as *mut u8);
    // SAFETY: `boot::load` mapped the sources, and the tree is on the heap; `boot::load` and
    // `Vcpu::fill` copy only while the partition's memory is open; `part` checked that both regions
    // are inside of these; the Plan keeps sources out of partitions' memory; and the partition's
    // vCPUs run the guest only after the last copy.
    unsafe { target.copy_from_nonoverlapping(source, size as usize) };
    cache::clean_and_invalidate(to);
}

/// Shares the processing of `size` bytes with other CPUs: calls `process` with the offset and size
/// of each piece of at most `most` bytes that no other CPU has taken, and `between` after each.
pub fn share(
    pieces: &Pieces,
    (size, most): (u64, u64),
    process: impl Fn(u64, u64),
    between: impl Fn(),
) {
    while let Some((offset, size)) = pieces.take(size, most) {
        process(offset, size);
        between();
    }
}

/// Returns whether memory has allocation tags (FEAT_MTE2), which a guest can set and DC ZVA leaves.
pub fn has_tags() -> bool {
    read_register!("id_aa64pfr1_el1") >> 8 & 0xf >= 2
}

/// Fills whole pages of a partition's memory with zeros, allocation tags included, and cleans them
/// to memory, from which a guest reads them with its caches off.
///
/// # Safety
///
/// - The pages must belong to a partition's memory that is open (`window::open`).
/// - No vCPU of the partition may run.
// A function of its own, by which measurements recognise this work.
#[inline(never)]
pub unsafe fn scrub(pages: Region<Pa>) {
    // DCZID_EL0: DZP, and the block size in words.
    let dczid = read_register!("dczid_el0");
    if dczid & 1 << 4 == 0 {
        let block: u64 = 4 << (dczid & 0xf);
        let (start, end) = (pages.start().get(), pages.end().get());
        if has_tags() {
            let mut address = start;
            while address < end {
                // SAFETY: DC GVA writes no data. It sets the tags to bits 59:56 of the address,
                // which are zero. A guest cannot discard them from a cache: with HCR_EL2.VM its
                // invalidations clean too.
                unsafe { asm!("sys #3, c7, c4, #3, {}", in(reg) address, options(nostack)) };
                address = address.wrapping_add(block);
            }
        }
        // SAFETY: DC ZVA writes zeros to the pages alone, whose addresses are multiples of the
        // block size, at most 2 KiB (Arm ARM D24.2.34); the caller guarantees that nothing else
        // accesses them. It faults on Device memory, but EL2 maps memory as Normal.
        unsafe { cache::each_step!("zva", start, end, block) };
    } else {
        let start = pages.start().get() as *mut u8;
        // SAFETY: the caller guarantees that the pages are mapped and unused; any bytes are valid
        // `u8`.
        unsafe { slice::from_raw_parts_mut(start, pages.size() as usize) }.fill(0);
    }
    cache::clean_and_invalidate(pages);
}
