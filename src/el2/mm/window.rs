//! EL2's window: its access to a partition's memory, which exists only while the partition is
//! EL2's window: its access to a partition's memory, which exists only while the partition is
//! filled, and to a piece of it while that is cleaned or an instruction of its guest is read; and
//! its access to the images.

use aarch64_cpu::asm::barrier;
use alloc::vec::Vec;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::mm::tables::Tables;
use core::arch::asm;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::live::LIVE;
use crate::el2::arch::{cache, sync};

/// The number of leaves that are opened or closed at once, for which a CPU needs 11,000
/// instructions.
const LEAVES: usize = 256;
/// The number of bytes that are cleaned at once: 1024 lines of 64 bytes.
const CLEAN_PIECE: u64 = 64 << 10;

/// The memory of the images that partitions are built from, which the loader has put there. It is
/// accessible to EL2 only while a CPU builds a partition.
pub struct Images {
    /// Whole pages, which boot has mapped.
    regions: Vec<Region<Pa>>,
    /// The number of partitions that are being built, or 1 during boot.
    readers: AtomicUsize,
}

impl Images {
    /// Returns the images at boot, while they are accessible. `regions` are whole pages.
    pub const fn new(regions: Vec<Region<Pa>>) -> Self {
        Self { regions, readers: AtomicUsize::new(1) }
    }

    /// Returns the memory.
    pub fn regions(&self) -> &[Region<Pa>] {
        &self.regions
    }

    /// Makes the images accessible until [`close`](Self::close). Calls `between` after each piece of
    /// the work.
    pub fn open(&self, between: fn()) {
        self.readers.fetch_add(1, Ordering::Relaxed);
        for region in &self.regions {
            set_open(*region, true, &self.readers, between);
        }
    }

    /// Makes the images inaccessible on every CPU, unless another partition is being built. Calls
    /// `between` after each piece of the work.
    pub fn close(&self, between: fn()) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
        for region in &self.regions {
            set_open(*region, false, &self.readers, between);
        }
    }
}

/// Makes a partition's memory, which boot has mapped, accessible to EL2. Calls `between` after each
/// piece of the work.
pub fn open(memory: Region<Pa>, between: fn()) {
    set_open(memory, true, &AtomicUsize::new(0), between);
}

/// Makes a partition's memory inaccessible to EL2 on every CPU, until it is opened again. Calls
/// `between` after each piece of the work.
pub fn close(memory: Region<Pa>, between: fn()) {
    set_open(memory, false, &AtomicUsize::new(0), between);
}

/// Opens memory, or closes it while there are no readers.
// One copy for all callers.
#[inline(never)]
fn set_open(memory: Region<Pa>, is_open: bool, readers: &AtomicUsize, between: fn()) {
    let mut next = Some(memory.start());
    while let Some(from) = next {
        next = set_piece_open(memory, from, is_open, readers);
        between();
    }
}

/// Opens or closes the next leaves of memory, unless the tables are in use for another partition.
/// Returns where to continue.
fn set_piece_open(
    memory: Region<Pa>,
    from: Pa,
    is_open: bool,
    readers: &AtomicUsize,
) -> Option<Pa> {
    let Some(mut live) = LIVE.attempt() else {
        sync::relax();
        return Some(from);
    };
    // A reader counts itself before it takes the lock: either its count is seen here, or it opens
    // later what is closed here.
    if !is_open && readers.load(Ordering::Relaxed) > 0 {
        return None;
    }
    set_leaves_open(live.as_mut()?, memory, (from, LEAVES), is_open)
}

/// Opens or closes the next leaves of a partition's memory, at most `most`. Returns where to
/// continue.
// One copy for all callers.
#[inline(never)]
fn set_leaves_open(
    tables: &mut Tables<'_>,
    memory: Region<Pa>,
    (from, most): (Pa, usize),
    is_open: bool,
) -> Option<Pa> {
    let next = tables.set_open(memory, (from, most), is_open, |leaf| {
        // An entry that becomes valid needs no invalidation (Arm ARM D8.17.1).
        if !is_open {
            let page = leaf.get() / PAGE_SIZE;
            // SAFETY: invalidates the cached translation of a leaf that `set_open` made invalid;
            // EL2 accesses partitions' memory only between `open` and `close`, in `clean` and in
            // `read_word`.
            unsafe {
                asm!(
                    "dsb ishst",
                    "tlbi vae2is, {page}",
                    "dsb ish",
                    "tlbi vae2is, {page}",
                    page = in(reg) page,
                    options(nostack)
                );
            }
        }
    });
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
    next
}

/// Cleans and invalidates the next lines of a partition's memory, whose leaf is open meanwhile, for
/// which a CPU needs 3,000 instructions; none if the tables are in use for another CPU. Returns
/// where to continue.
pub fn clean(memory: Region<Pa>, from: Pa) -> Option<Pa> {
    let Some(mut live) = LIVE.attempt() else { return Some(from) };
    let tables = live.as_mut()?;
    let leaf_end = set_leaves_open(tables, memory, (from, 1), true).unwrap_or(memory.end());
    let end = leaf_end.min(Pa::new(from.get() + CLEAN_PIECE));
    if let Some(piece) = Region::between(from, end) {
        cache::clean_and_invalidate(piece);
    }
    set_leaves_open(tables, memory, (from, 1), false);
    (end < memory.end()).then_some(end)
}

/// Reads the word at `address`, a multiple of 4 in the memory of a partition whose guest runs on
/// this CPU: opens the leaf for the read alone. Returns `None` if EL2's tables are in use for
/// another partition, for which this CPU does not wait.
pub fn read_word(memory: Region<Pa>, address: Pa) -> Option<u32> {
    let mut live = LIVE.attempt()?;
    let tables = live.as_mut()?;
    set_leaves_open(tables, memory, (address, 1), true);
    // SAFETY: the address is in a leaf of the partition's memory, all of which boot has mapped and
    // which the line above opened. No other CPU closes it meanwhile: that needs the lock, and the
    // partition is rebuilt only once this CPU has left its guest. A guest may write the word at the
    // same time, so the read is volatile; any bytes are a valid `u32`.
    let word = unsafe { (address.get() as *const u32).read_volatile() };
    set_leaves_open(tables, memory, (address, 1), false);
    Some(word)
}
