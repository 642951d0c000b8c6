//! Stage 2 while guests run: making a partition's tables a CPU's, and cutting a guest off.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::arch::mpidr::Mpidr;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::el2::arch::cache;
use crate::el2::arch::registers::write_register;

/// A partition's stage 2: its root table and its VMID.
#[derive(Clone, Copy, Debug)]
pub struct Stage2 {
    root: Pa,
    vmid: u8,
}

impl Stage2 {
    /// Returns the stage 2 with these tables.
    ///
    /// # Safety
    ///
    /// `root` must be a page of finished stage-2 tables that stays mapped, and that nothing but
    /// this type writes from now on.
    pub unsafe fn new(root: Pa, vmid: u8) -> Self {
        Self { root, vmid }
    }

    /// Returns the root table.
    pub fn root(self) -> Pa {
        self.root
    }

    /// Invalidates the root's entries until [`restore`](Self::restore), so that every vCPU of the
    /// partition comes to EL2 with its next fetch. A vCPU with direct interrupts may not take a kick,
    /// since a guest can make any priority active at the CPU interface (ICC_AP1R<n>_EL1), which
    /// nothing traps.
    pub fn cut(self) {
        self.set_valid(false);
        let own = VTTBR_EL2.get();
        VTTBR_EL2.set(self.vttbr());
        barrier::isb(barrier::SY);
        // SAFETY: invalidates this VMID's cached translations on all CPUs; the tables are valid or
        // invalid as they stand.
        unsafe { asm!("tlbi vmalls12e1is", options(nostack)) };
        barrier::dsb(barrier::ISH);
        VTTBR_EL2.set(own);
        barrier::isb(barrier::SY);
    }

    /// Makes the root's entries valid again, before a vCPU of the partition runs.
    pub fn restore(self) {
        self.set_valid(true);
    }

    /// Makes this the stage 2 of this CPU, which runs vCPU `vcpu` of the partition.
    pub fn activate(self, vcpu: usize) {
        VTTBR_EL2.set(self.vttbr());
        write_register!("vpidr_el2", MIDR_EL1.get());
        VMPIDR_EL2.set(Mpidr::of_vcpu(vcpu).register());
        barrier::isb(barrier::SY);
        // SAFETY: invalidates this VMID's cached translations and instructions on this CPU, which are
        // only fetched again.
        unsafe { asm!("tlbi vmalls12e1", "ic iallu", options(nostack)) };
        barrier::dsb(barrier::NSH);
        barrier::isb(barrier::SY);
    }

    fn set_valid(self, is_valid: bool) {
        const VALID: u64 = 1;
        let root = self.root.get() as *const [AtomicU64; PAGE_SIZE as usize / 8];
        // SAFETY: `new`'s caller vouches for this page, and all writes to it are atomic.
        for entry in unsafe { &*root } {
            if entry.load(Ordering::Relaxed) != 0 {
                if is_valid {
                    entry.fetch_or(VALID, Ordering::Relaxed);
                } else {
                    entry.fetch_and(!VALID, Ordering::Relaxed);
                }
            }
        }
        let Some(page) = Region::new(self.root, PAGE_SIZE) else {
            panic!("a page does not wrap");
        };
        // For walks that bypass the caches; complete before another CPU is notified (Arm ARM
        // D8.17.1).
        cache::clean_and_invalidate(page);
        barrier::dsb(barrier::ISH);
    }

    /// Returns the value of VTTBR_EL2.
    fn vttbr(self) -> u64 {
        self.root.get() | u64::from(self.vmid) << 48
    }
}
