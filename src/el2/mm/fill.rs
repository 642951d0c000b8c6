//! Accesses a partition's memory: fills it with zeros, then with its images and its device tree,
//! when it is built; and cleans it, or reads a word of it, for its guest.

use bulkhead::arch::addr::{Ipa, Pa, Region, Va};
use bulkhead::boot::plan::{GuestMemory, PartitionPlan};
use bulkhead::mm::window::{MemoryTables, Slot};
use bulkhead::util::pieces::Pieces;
use core::arch::asm;
use core::slice;

use super::images::Images;
use super::window::Window;
use crate::el2::arch::cache;
use crate::el2::arch::registers::read_register;

/// The numbers of bytes that a CPU scrubs or copies between two polls for interrupts, for which it
/// needs 10,000 and 14,000 instructions.
pub const SCRUB_PIECE: u64 = 128 << 10;
/// See [`SCRUB_PIECE`].
pub const COPY_PIECE: u64 = 64 << 10;
/// The number of bytes that are cleaned at once: 1024 lines of 64 bytes, for which a CPU needs
/// 3,000 instructions.
const CLEAN_PIECE: u64 = 64 << 10;

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

/// A partition's memory as its CPUs access it at EL2: in a window that is open for one piece of
/// work.
#[derive(Clone, Copy)]
pub struct PartitionMemory {
    /// Its addresses.
    memory: GuestMemory,
    /// The tables for a window onto it.
    tables: MemoryTables,
    /// The images of all partitions.
    images: &'static Images,
}

impl PartitionMemory {
    /// Returns the memory, to which a window with these tables leads.
    pub const fn new(memory: GuestMemory, tables: MemoryTables, images: &'static Images) -> Self {
        Self { memory, tables, images }
    }

    /// Returns the physical addresses.
    pub const fn host(&self) -> Region<Pa> {
        self.memory.host
    }

    /// Returns the guest addresses.
    pub const fn guest(&self) -> Region<Ipa> {
        self.memory.guest
    }

    /// Returns the tables for a window onto it.
    pub const fn tables(&self) -> MemoryTables {
        self.tables
    }

    /// Opens the memory on this CPU.
    pub fn open(&self) -> Window {
        Window::open(Slot::Own, self.tables)
    }

    /// Opens the memory on this CPU, for which another one may be open.
    pub fn open_beside(&self) -> Window {
        Window::open_beside(self.tables)
    }

    /// Copies `size` bytes from `offset` of a content, and cleans them to memory, from which a
    /// guest reads them with its caches off.
    pub fn copy(&self, (source, target): Content, offset: u64, size: u64) {
        let GuestMemory { guest, host } = self.memory;
        let target_offset = target.get().wrapping_sub(guest.start().get()).wrapping_add(offset);
        let to = host.part(target_offset, size);
        let (Some(from), Some(to)) = (source.part(offset, size), to) else {
            panic!("the Plan has placed the content inside the partition");
        };
        let window = self.open();
        let to = window.place(to);
        self.images.with(&from, |from| {
            let target = to.start().get() as *mut u8;
            // SAFETY: the images' window maps the source, or it is in Bulkhead's image, in the
            // machine's tree or on the heap, which stay mapped; the partition's window maps the
            // target; `part` checked that both are inside of these; the Plan keeps sources out of
            // partitions' memory; and the partition's vCPUs run the guest only after the last copy.
            unsafe { target.copy_from_nonoverlapping(from, size as usize) };
        });
        cache::clean_and_invalidate(to);
    }

    /// Fills `size` bytes from `offset` with zeros ([`scrub`]). Both are whole pages.
    ///
    /// # Safety
    ///
    /// No vCPU of the partition may run.
    pub unsafe fn scrub(&self, offset: u64, size: u64) {
        let Some(pages) = self.memory.host.part(offset, size) else {
            panic!("the piece is inside the memory")
        };
        let window = self.open();
        // SAFETY: the window maps the pages; the caller guarantees that no vCPU runs.
        unsafe { scrub(window.place(pages)) };
    }

    /// Cleans and invalidates the next lines. Returns where to continue.
    pub fn clean(&self, from: Pa) -> Option<Pa> {
        let end = self.memory.host.end().min(Pa::new(from.get().wrapping_add(CLEAN_PIECE)));
        if let Some(piece) = Region::between(from, end) {
            let window = self.open();
            cache::clean_and_invalidate(window.place(piece));
        }
        (end < self.memory.host.end()).then_some(end)
    }

    /// Reads the word at `address`, a multiple of 4; `None` outside the memory.
    pub fn read_word(&self, address: Pa) -> Option<u32> {
        let word = Region::new(address, size_of::<u32>() as u64)?;
        if !self.memory.host.covers(&word) {
            return None;
        }
        let window = self.open();
        let place = window.place(word).start().get() as *const u32;
        // SAFETY: the window maps all of the memory, in which the word is. A guest may write it at
        // the same time, so the read is volatile; any bytes are a valid `u32`.
        Some(unsafe { place.read_volatile() })
    }
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

/// Fills whole pages of a partition's memory or disk with zeros, allocation tags included where EL2
/// maps them, and cleans them to memory, from which a guest reads them with its caches off.
///
/// # Safety
///
/// - The pages must be those of a partition's memory in an open window, or of a disk that is mapped.
/// - No vCPU of a partition that has them may run.
// A function of its own, by which measurements recognise this work.
#[inline(never)]
pub unsafe fn scrub(pages: Region<Va>) {
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
