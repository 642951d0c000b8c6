//! Cleans a partition's memory for a guest that maintains its caches by set and way.

use aarch64_cpu::registers::{HCR_EL2, Readable, SCTLR_EL1, Writeable};
use bulkhead::arch::addr::Pa;
use bulkhead::trap::set_way::{Step, Trapped};
use core::sync::atomic::Ordering;

use super::Vcpu;

/// HCR_EL2.TVM: the guest's writes of the registers that control its MMU trap. An exception return
/// makes a change take effect.
const TVM: u64 = 1 << 26;
/// SCTLR_EL1.{M, C}.
const CACHES: u64 = 1 << 2 | 1;

impl Vcpu {
    /// Carries out one step for a trapped instruction, and returns it.
    pub fn maintain_caches(&self, trapped: Trapped) -> Step {
        let hcr = HCR_EL2.get();
        let step = Step::of(trapped, hcr & TVM != 0, SCTLR_EL1.get() & CACHES == CACHES);
        let step = match step {
            Step::Clean if self.clean_piece() => Step::after_cleaning(trapped),
            step => step,
        };
        match step {
            Step::Watch => HCR_EL2.set(hcr | TVM),
            Step::Release => HCR_EL2.set(hcr & !TVM),
            Step::Clean | Step::Skip | Step::Undefined => {}
        }
        step
    }

    /// Cleans and invalidates the next piece of the partition's memory. Returns whether it was the
    /// last.
    fn clean_piece(&self) -> bool {
        let memory = &self.partition.memory;
        let from = self.cleaned.load(Ordering::Relaxed).max(memory.host().start().get());
        let next = memory.clean(Pa::new(from));
        self.cleaned.store(next.map_or(0, Pa::get), Ordering::Relaxed);
        next.is_none()
    }

    /// Forgets what an earlier life of the vCPU has begun.
    pub(super) fn reset_cache_maintenance(&self) {
        HCR_EL2.set(HCR_EL2.get() & !TVM);
        self.cleaned.store(0, Ordering::Relaxed);
    }
}
