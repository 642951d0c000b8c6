//! EL2's windows: a CPU's access to a partition's memory or to the images, for one piece of work
//! and on that CPU alone.
//!
//! Opening and closing change one entry of this CPU's own root table, whatever the size of the
//! memory ([`bulkhead::mm::window`]). No other CPU's translations change, so no lock is taken and
//! no other CPU is waited for.

use aarch64_cpu::registers::{Readable, TTBR0_EL2};
use bulkhead::arch::addr::{Pa, Region, Va};
use bulkhead::mm::window::{MemoryTables, ROOT_ENTRIES, Slot};
use core::arch::asm;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering};

/// The root table of a CPU's EL2, which only that CPU changes once it runs. A cache line of its
/// own, and aligned for TTBR0_EL2, which requires the table's size (Arm ARM D8.2).
#[repr(C, align(64))]
pub struct Root([AtomicU64; ROOT_ENTRIES]);

impl Root {
    /// Returns a root that leads nowhere.
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; ROOT_ENTRIES])
    }

    /// Makes the root lead to the tables that all CPUs share, with no window open. Works with the
    /// MMU off, because plain stores are enough.
    #[inline(always)]
    pub fn set(&self, shared: MemoryTables) {
        let [first, windows @ ..] = &self.0;
        first.store(shared.entry(), Ordering::Relaxed);
        windows.iter().for_each(|window| window.store(0, Ordering::Relaxed));
    }

    /// Returns the entries.
    #[inline(always)]
    pub fn entries(&self) -> [u64; ROOT_ENTRIES] {
        // `map` would be a loop, which takes four times as long.
        let [first, own, peer, images] = &self.0;
        let load = |entry: &AtomicU64| entry.load(Ordering::Relaxed);
        [load(first), load(own), load(peer), load(images)]
    }
}

/// An open window, which is closed when this is dropped. It is for the CPU that has opened it.
pub struct Window(Slot, PhantomData<*mut ()>);

impl Window {
    /// Opens a window onto memory on this CPU.
    ///
    /// # Panics
    ///
    /// If this CPU has a window open in this slot.
    // One copy for all callers. Measurements recognise this work by its name.
    #[inline(never)]
    pub fn open(slot: Slot, tables: MemoryTables) -> Self {
        let entry = entry(slot);
        assert!(entry.load(Ordering::Relaxed) == 0, "a window is open already");
        entry.store(tables.entry(), Ordering::Relaxed);
        show_opened();
        Self(slot, PhantomData)
    }

    /// Opens a window onto a partition's memory on this CPU, which may have another one open.
    ///
    /// # Panics
    ///
    /// If this CPU has two open.
    #[inline]
    pub fn open_beside(tables: MemoryTables) -> Self {
        let is_used = entry(Slot::Own).load(Ordering::Relaxed) != 0;
        Self::open(if is_used { Slot::Peer } else { Slot::Own }, tables)
    }

    /// Returns where the window is.
    #[inline(always)]
    pub fn slot(&self) -> Slot {
        self.0
    }

    /// Returns the addresses at which this CPU accesses a part of the memory while the window is
    /// open.
    #[inline(always)]
    pub fn place(&self, part: Region<Pa>) -> Region<Va> {
        self.0.place(part)
    }
}

impl Drop for Window {
    // One copy for all callers. Measurements recognise this work by its name.
    #[inline(never)]
    fn drop(&mut self) {
        entry(self.0).store(0, Ordering::Relaxed);
        invalidate_closed();
    }
}

/// Two open windows onto partitions' memory, in the slots [`Slot::Own`] and [`Slot::Peer`], which
/// are closed when this is dropped. It is for the CPU that has opened them.
pub struct WindowPair(PhantomData<*mut ()>);

impl WindowPair {
    /// Opens both windows on this CPU.
    ///
    /// # Panics
    ///
    /// If this CPU has a window open in one of the slots.
    #[inline(always)]
    pub fn open(own: MemoryTables, peer: MemoryTables) -> Self {
        let Root([_, own_entry, peer_entry, _]) = root();
        let open = own_entry.load(Ordering::Relaxed) | peer_entry.load(Ordering::Relaxed);
        assert!(open == 0, "a window is open already");
        own_entry.store(own.entry(), Ordering::Relaxed);
        peer_entry.store(peer.entry(), Ordering::Relaxed);
        show_opened();
        Self(PhantomData)
    }
}

impl Drop for WindowPair {
    #[inline(never)]
    fn drop(&mut self) {
        let Root([_, own, peer, _]) = root();
        own.store(0, Ordering::Relaxed);
        peer.store(0, Ordering::Relaxed);
        invalidate_closed();
    }
}

/// Makes entries of this CPU's root that have become valid visible to its walks.
#[inline(always)]
fn show_opened() {
    // An entry that becomes valid needs no invalidation, because no TLB holds one that is invalid
    // (Arm ARM D8.17.1). The DSB makes it visible to this CPU's walks and no other CPU walks this
    // root, so that non-shareable is enough; the ISB keeps later accesses behind it.
    // SAFETY: barriers change no data.
    unsafe { asm!("dsb nshst", "isb", options(nostack, preserves_flags)) };
}

/// Invalidates what this CPU's TLBs have of entries that have become invalid.
#[inline(always)]
fn invalidate_closed() {
    // The entry goes from valid to invalid, and is only made valid again after the invalidation
    // (break-before-make, Arm ARM D8.17.1). The first DSB makes the store visible to this CPU's
    // walks; the second one completes the invalidation and every access that used the window.
    //
    // All entries of EL2 are invalidated, not only those of addresses that were accessed: this
    // CPU may have walked any address below the slot speculatively. Other CPUs cannot have: no
    // root but this CPU's had the entry, and TTBR0_EL2.CnP is 0, so that they share none of its
    // TLB entries (Arm ARM D8.16).
    //
    // The invalidation is not repeated as those of `stage2` and `live` are. The errata that
    // require it concern accesses of one CPU that another CPU's broadcast must wait for; here
    // the CPU waits for its own.
    // SAFETY: invalidates this CPU's cached translations of EL2, which loses no data. What was
    // accessed at this window's addresses is not accessed there again: `fill`, `images`,
    // `links` and `entropy` drop the window after the last use of what `place` returned.
    unsafe {
        asm!("dsb nshst", "tlbi alle2", "dsb nsh", "isb", options(nostack, preserves_flags));
    }
}

/// Returns this CPU's root table.
#[inline(always)]
fn root() -> &'static Root {
    // SAFETY: `boot::mmu` has set TTBR0_EL2 of every CPU to a `Root` of its static pool, with ASID
    // and CnP 0, and nothing changes the register. Its entries are atomic.
    unsafe { &*(TTBR0_EL2.get() as *const Root) }
}

/// Returns the entry of this CPU's root table for a slot.
#[inline(always)]
fn entry(slot: Slot) -> &'static AtomicU64 {
    &root().0[slot.index()]
}

/// Checks that this CPU has no window open.
#[cfg(feature = "check-locks")]
#[track_caller]
pub fn assert_none_open() {
    let [_, slots @ ..] = &root().0;
    assert!(slots.iter().all(|slot| slot.load(Ordering::Relaxed) == 0), "a window is open");
}
