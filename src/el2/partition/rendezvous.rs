//! How the vCPUs of a partition wait for each other, each on its own physical CPU.

use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use crate::el2::arch::sync;

/// The progress of building a partition again, which all of its vCPUs take part in.
pub struct Rebuild {
    vcpus: usize,
    /// The number of times that a vCPU has come to a meeting.
    arrivals: AtomicUsize,
    /// The number of bytes that are scrubbed or being scrubbed.
    pub scrubbed: AtomicU64,
    /// The same of each content that is copied.
    pub copied: [AtomicU64; 3],
}

impl Rebuild {
    /// Returns the state of a partition of so many vCPUs that is not to be built again.
    pub const fn new(vcpus: usize) -> Self {
        Self {
            vcpus,
            arrivals: AtomicUsize::new(0),
            scrubbed: AtomicU64::new(0),
            copied: [const { AtomicU64::new(0) }; 3],
        }
    }

    /// Prepares for building the partition again, while no vCPU runs guest code.
    // One copy for all callers.
    #[inline(never)]
    pub fn prepare(&self) {
        self.scrubbed.store(0, Ordering::Relaxed);
        for progress in &self.copied {
            progress.store(0, Ordering::Relaxed);
        }
    }

    /// Waits until every vCPU has come here, and does `meanwhile` again and again.
    pub fn meet(&self, meanwhile: impl Fn()) {
        let arrival = self.arrivals.fetch_add(1, Ordering::AcqRel);
        let everybody = (arrival / self.vcpus + 1) * self.vcpus;
        while self.arrivals.load(Ordering::Acquire) < everybody {
            meanwhile();
            sync::relax();
        }
    }
}

/// The state of a request to one vCPU that it write its list registers back.
#[derive(Default)]
pub struct RecallSlot(AtomicU8);

/// There is no request.
const IDLE: u8 = 0;
/// The vCPU is to empty its list registers and to pause.
const REQUESTED: u8 = 1;
/// It has done so.
const PAUSED: u8 = 2;

impl RecallSlot {
    /// Requests that the vCPU write its list registers back and pause. The caller kicks its CPU.
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

    /// Whether this vCPU is to pause.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Acquire) == REQUESTED
    }

    /// Pauses this vCPU, whose list registers are empty, until it is released.
    pub fn pause(&self) {
        self.0.store(PAUSED, Ordering::Release);
        while self.0.load(Ordering::Acquire) == PAUSED {
            sync::relax();
        }
    }
}
