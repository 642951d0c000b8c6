//! Synchronises the vCPUs of a partition: the barriers of a rebuild, and recalls of list registers.

use bulkhead::util::pieces::Pieces;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use crate::el2::arch::sync;

/// The progress of building a partition again, in which all of its vCPUs take part.
pub struct Rebuild {
    /// The number of vCPUs.
    vcpus: usize,
    /// The number of times that a vCPU has reached a barrier.
    reached: AtomicUsize,
    /// The progress of scrubbing the memory.
    pub scrubbed: Pieces,
    /// The progress of copying each content.
    pub copied: [Pieces; 3],
}

impl Rebuild {
    /// Returns the state for a partition with this number of vCPUs that is not being rebuilt.
    pub const fn new(vcpus: usize) -> Self {
        Self {
            vcpus,
            reached: AtomicUsize::new(0),
            scrubbed: Pieces::new(),
            copied: [const { Pieces::new() }; 3],
        }
    }

    /// Resets the progress before a rebuild. No vCPU may take part in one.
    // One copy for all callers.
    #[inline(never)]
    pub fn prepare(&self) {
        self.scrubbed.begin();
        self.copied.iter().for_each(Pieces::begin);
    }

    /// Waits at a barrier until all vCPUs have reached it, and calls `meanwhile` at least once.
    pub fn wait_for_all(&self, meanwhile: impl Fn()) {
        let before = self.reached.fetch_add(1, Ordering::AcqRel);
        let round = before.checked_div(self.vcpus).unwrap_or(0);
        let all = round.wrapping_add(1).wrapping_mul(self.vcpus);
        loop {
            meanwhile();
            if self.reached.load(Ordering::Acquire) >= all {
                return;
            }
            sync::relax();
        }
    }
}

/// The state of a recall of one vCPU's list registers.
#[derive(Default)]
pub struct RecallSlot(AtomicU8);

/// No recall is requested.
const IDLE: u8 = 0;
/// The vCPU must write its list registers back and pause.
const REQUESTED: u8 = 1;
/// The vCPU has written its list registers back and is paused.
const PAUSED: u8 = 2;

impl RecallSlot {
    /// Requests that the vCPU write its list registers back and pause. The caller must kick its
    /// CPU.
    pub fn request(&self) {
        self.0.store(REQUESTED, Ordering::Release);
    }

    /// Waits until the vCPU has paused.
    pub fn wait(&self) {
        while self.0.load(Ordering::Acquire) != PAUSED {
            sync::relax();
        }
    }

    /// Lets the vCPU continue.
    pub fn release(&self) {
        self.0.store(IDLE, Ordering::Release);
    }

    /// Returns whether this vCPU must write its list registers back and pause.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Acquire) == REQUESTED
    }

    /// Pauses this vCPU, whose list registers must be empty, until it is released.
    pub fn pause(&self) {
        self.0.store(PAUSED, Ordering::Release);
        while self.0.load(Ordering::Acquire) == PAUSED {
            sync::relax();
        }
    }
}
