//! Looking into another vCPU's list registers, which only its own CPU can read.
//!
//! The one who asks takes the partition's `recalling` lock, so that there is one at a time; whoever
//! waits for that lock answers requests meanwhile, so that nobody waits for each other.

use bulkhead::vgic::{CpuMask, Recall, Request};
use core::sync::atomic::{AtomicU8, Ordering};

use super::Vcpu;
use crate::el2::arch::sync::{self, MutexGuard};

/// The state of a request to one vCPU.
#[derive(Default)]
pub struct RecallSlot(AtomicU8);

/// Nobody wants anything.
const IDLE: u8 = 0;
/// The vCPU is to empty its list registers and to stay out of its guest.
const REQUESTED: u8 = 1;
/// It has done so.
const HELD: u8 = 2;

impl Vcpu {
    /// Carries out what the guest asks of its interrupt controller, whatever it takes. Returns what a
    /// load reads.
    // Out of line, for there are several callers.
    #[inline(never)]
    pub fn access(&self, request: Request) -> u64 {
        let (mut turn, mut held) = (None, CpuMask::EMPTY);
        let (value, others) = loop {
            match self.with_vgic(|vgic, hw| vgic.carry_out(request, hw)) {
                Ok(done) => break done,
                Err(Recall(missing)) => {
                    turn.get_or_insert_with(|| self.wait_for_turn());
                    self.hold(missing);
                    held |= missing;
                }
            }
        };
        for vcpu in held {
            self.partition.recalls[vcpu].0.store(IDLE, Ordering::Release);
        }
        drop(turn);
        self.kick(others);
        value
    }

    /// Waits until this vCPU alone may ask others, and answers them meanwhile.
    fn wait_for_turn(&self) -> MutexGuard<'_, ()> {
        loop {
            if let Some(turn) = self.partition.recalling.try_lock() {
                return turn;
            }
            self.answer_recall();
            sync::relax();
        }
    }

    /// Has these vCPUs empty their list registers and wait.
    fn hold(&self, vcpus: CpuMask) {
        for vcpu in vcpus {
            self.partition.recalls[vcpu].0.store(REQUESTED, Ordering::Release);
        }
        self.partition.kick(vcpus);
        for vcpu in vcpus {
            while self.partition.recalls[vcpu].0.load(Ordering::Acquire) != HELD {
                sync::relax();
            }
        }
    }

    /// Empties this CPU's list registers if another vCPU asked for it, and waits for its leave.
    pub fn answer_recall(&self) {
        let slot = &self.partition.recalls[self.index].0;
        if slot.load(Ordering::Acquire) != REQUESTED {
            return;
        }
        self.update_vgic(|vgic, hw| vgic.recall(hw));
        slot.store(HELD, Ordering::Release);
        while slot.load(Ordering::Acquire) == HELD {
            sync::relax();
        }
        self.update_vgic(|vgic, hw| vgic.refill(hw));
    }
}
