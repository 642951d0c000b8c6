//! Stage 2 while guests run: activates a partition's tables on a CPU, and removes a partition's
//! access to its memory.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use bulkhead::arch::addr::{Ipa, PAGE_SIZE, Pa, Region};
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::mm::tables::Table;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::el2::arch::cache;
use crate::el2::arch::registers::write_register;

/// A partition's stage 2: its root table and its VMID.
#[derive(Clone, Copy, Debug)]
pub struct Stage2 {
    /// The entries of the root table that can be other than zero.
    root: &'static [AtomicU64],
    vmid: u8,
}

/// The number of entries of a table.
const ENTRIES: usize = PAGE_SIZE as usize / size_of::<u64>();
/// The number of bits of an address below the index of the root, which is of level 1.
const ROOT_SHIFT: u32 = 30;

impl Stage2 {
    /// Returns the stage 2 of finished tables with this root, which from now on only this type
    /// writes. They map nothing from the address `end` on.
    pub fn new(root: &'static mut Table, end: Ipa, vmid: u8) -> Self {
        let root = core::ptr::from_mut(root).cast::<[AtomicU64; ENTRIES]>();
        // SAFETY: a `Table` is `repr(C)` and consists of so many `u64`s, each aligned for an
        // `AtomicU64`. The exclusive reference is given up for this shared one.
        let root = unsafe { &*root };
        let used = end.get().div_ceil(1 << ROOT_SHIFT) as usize;
        Self { root: &root[..used.min(ENTRIES)], vmid }
    }

    /// Returns the address of the root table.
    pub fn root(self) -> Pa {
        Pa::new(self.root.as_ptr() as u64)
    }

    /// Makes the root's entries invalid until [`restore`](Self::restore), so that the next
    /// instruction fetch of each vCPU of the partition faults to EL2. With direct delivery a vCPU
    /// may never take a kick, because a guest can make any priority active at the CPU interface
    /// (ICC_AP1R\<n\>_EL1), and writes of these registers do not trap.
    pub fn cut(self) {
        self.set_valid(false);
        let previous = VTTBR_EL2.get();
        VTTBR_EL2.set(self.vttbr());
        barrier::isb(barrier::SY);
        // SAFETY: invalidates this VMID's cached stage-1 and stage-2 translations on all CPUs;
        // EL2's own translations are not affected.
        unsafe { asm!("tlbi vmalls12e1is", "dsb ish", "tlbi vmalls12e1is", options(nostack)) };
        barrier::dsb(barrier::ISH);
        VTTBR_EL2.set(previous);
        barrier::isb(barrier::SY);
    }

    /// Makes the root's entries valid again, before a vCPU of the partition runs.
    pub fn restore(self) {
        self.set_valid(true);
    }

    /// Returns whether the root has an entry for this IPA, valid or not.
    pub fn has_root_entry(self, ipa: Ipa) -> bool {
        let entry = self.root.get((ipa.get() >> ROOT_SHIFT) as usize);
        entry.is_some_and(|entry| entry.load(Ordering::Relaxed) != 0)
    }

    /// Makes this the stage 2 of this CPU, and sets the guest's MIDR_EL1 and MPIDR_EL1 for vCPU
    /// `vcpu`.
    pub fn activate(self, vcpu: usize) {
        VTTBR_EL2.set(self.vttbr());
        write_register!("vpidr_el2", MIDR_EL1.get());
        VMPIDR_EL2.set(Mpidr::of_vcpu(vcpu).register());
        barrier::isb(barrier::SY);
        // SAFETY: invalidates this VMID's cached translations and all cached instructions of this
        // CPU, which loses no data.
        unsafe { asm!("tlbi vmalls12e1", "ic iallu", options(nostack)) };
        barrier::dsb(barrier::NSH);
        barrier::isb(barrier::SY);
    }

    /// Sets or clears the valid bit of each of the root's entries that is not zero.
    fn set_valid(self, is_valid: bool) {
        const VALID: u64 = 1;
        for entry in self.root {
            if entry.load(Ordering::Relaxed) != 0 {
                if is_valid {
                    entry.fetch_or(VALID, Ordering::Relaxed);
                } else {
                    entry.fetch_and(!VALID, Ordering::Relaxed);
                }
            }
        }
        // A page does not wrap.
        let page = Region::new(self.root(), PAGE_SIZE).unwrap_or(Region::EMPTY);
        // For cores whose walks bypass the caches. The DSB completes the writes before another CPU
        // is notified (Arm ARM D8.17.1).
        cache::clean_and_invalidate(page);
        barrier::dsb(barrier::ISH);
    }

    /// Returns the value of VTTBR_EL2.
    fn vttbr(self) -> u64 {
        self.root().get() | u64::from(self.vmid) << 48
    }
}
