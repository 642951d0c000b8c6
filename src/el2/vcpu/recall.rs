//! Recalls other vCPUs' list registers, which only their own CPUs can access.
//!
//! The vCPU that recalls holds the partition's `recalling` lock, so that one recalls at a time. A
//! vCPU that waits for this lock handles recalls meanwhile, so that there is no deadlock.

use bulkhead::vgic::{CpuMask, Recall, Request};

use super::Vcpu;
use crate::el2::arch::sync::{self, MutexGuard};

impl Vcpu {
    /// Carries out a request of the guest to its interrupt controller. If the request needs state
    /// that other vCPUs' list registers hold, recalls these, then retries. Returns the value of a
    /// load.
    // One copy for all callers.
    #[inline(never)]
    pub fn access(&self, request: Request) -> u64 {
        let (mut turn, mut paused) = (None, CpuMask::EMPTY);
        let (value, others) = loop {
            match self.attempt(&request) {
                Ok(done) => break done,
                Err(Recall(missing)) => {
                    turn.get_or_insert_with(|| self.wait_for_turn());
                    self.pause(missing);
                    paused |= missing;
                }
            }
        };
        for vcpu in paused {
            self.partition.recall_slot(vcpu).release();
        }
        drop(turn);
        self.kick(others);
        value
    }

    /// Carries out a request if that needs no state of other vCPUs' list registers.
    // Not a part of the loop, before which the compiler would compute what few requests need.
    #[inline(never)]
    fn attempt(&self, request: &Request) -> Result<(u64, CpuMask), Recall> {
        self.with_vgic(|vgic, hardware| vgic.carry_out(request, hardware))
    }

    /// Waits for the partition's `recalling` lock, and handles recalls meanwhile.
    fn wait_for_turn(&self) -> MutexGuard<'_, ()> {
        loop {
            if let Some(turn) = self.partition.recalling.attempt() {
                return turn;
            }
            self.handle_recall();
            sync::relax();
        }
    }

    /// Makes these vCPUs write their list registers back and pause, and waits until they have.
    fn pause(&self, vcpus: CpuMask) {
        for vcpu in vcpus {
            self.partition.recall_slot(vcpu).request();
        }
        self.partition.kick(vcpus);
        for vcpu in vcpus {
            self.partition.recall_slot(vcpu).wait();
        }
    }

    /// Writes this CPU's list registers back if another vCPU requested it, and pauses until it is
    /// released.
    pub fn handle_recall(&self) {
        let slot = self.partition.recall_slot(self.index());
        if !slot.is_requested() {
            return;
        }
        self.recall();
        slot.pause();
        self.refill();
    }
}
