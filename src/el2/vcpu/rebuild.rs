//! Building a partition again, on its own CPUs, while the others' guests run.
//!
//! All of its vCPUs take part, a piece of memory at a time, and see to their physical CPU's
//! interrupts between the pieces: Bulkhead's own work on them must not wait for large memories.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::Vcpu;
use crate::el2::arch::{cache, sync};
use crate::el2::mm::{fill, stage2, window};
use crate::el2::trap::irq;

/// The work of building a partition again.
pub struct Rebuild {
    vcpus: usize,
    is_asked: AtomicBool,
    /// How often a vCPU has come to a meeting.
    arrivals: AtomicUsize,
    /// How far scrubbing has come, in bytes.
    scrubbed: AtomicU64,
    /// How far copying has come, in bytes of each content.
    copied: [AtomicU64; 3],
}

impl Rebuild {
    /// No work yet, for a partition of so many vCPUs.
    pub const fn new(vcpus: usize) -> Self {
        Self {
            vcpus,
            is_asked: AtomicBool::new(false),
            arrivals: AtomicUsize::new(0),
            scrubbed: AtomicU64::new(0),
            copied: [const { AtomicU64::new(0) }; 3],
        }
    }

    /// Asks for the work, while no vCPU runs guest code. They have to be woken.
    // Out of line, for there are several callers.
    #[inline(never)]
    pub fn ask(&self) {
        self.scrubbed.store(0, Ordering::Relaxed);
        for progress in &self.copied {
            progress.store(0, Ordering::Relaxed);
        }
        self.is_asked.store(true, Ordering::Release);
    }

    /// Waits until every vCPU has come here.
    fn meet(&self) {
        let arrival = self.arrivals.fetch_add(1, Ordering::AcqRel);
        let everybody = (arrival / self.vcpus + 1) * self.vcpus;
        while self.arrivals.load(Ordering::Acquire) < everybody {
            irq::poll();
            sync::relax();
        }
    }
}

impl Vcpu {
    /// Takes part in building the partition again, if that is asked for. vCPU 0 starts it then.
    pub fn rebuild_if_asked(&self) {
        let rebuild = &self.partition.rebuild;
        if !rebuild.is_asked.load(Ordering::Acquire) {
            return;
        }
        self.fill();
        if self.index == 0 {
            cache::invalidate_instructions();
            window::close(self.partition.plan.memory.host);
            self.partition.reset(self);
            stage2::restore(self.partition);
        }
        rebuild.meet();
        self.gic.reset_virtual_interface(self.delivery());
        self.with_vgic(|vgic, hw| vgic.reset_private(hw));
        if self.index == 0 {
            rebuild.is_asked.store(false, Ordering::Release);
        }
        rebuild.meet();
        if self.index == 0 {
            self.partition.boot();
        }
    }

    /// Scrubs all of the partition's memory; then copies the images and the tree.
    fn fill(&self) {
        let (partition, rebuild) = (self.partition, &self.partition.rebuild);
        let plan = &partition.plan;
        let host = plan.memory.host;
        if self.index == 0 {
            window::open(host);
        }
        rebuild.meet();
        let scrub = |offset, size| {
            let Some(pages) = host.part(offset, size) else { panic!("it is in the memory") };
            // SAFETY: the memory is open; it and the pieces are whole pages; and no vCPU runs the guest.
            unsafe { fill::scrub(pages) };
        };
        fill::share(&rebuild.scrubbed, host.size(), scrub, irq::poll);
        rebuild.meet();
        let contents = fill::contents(plan, &partition.tree).into_iter().zip(&rebuild.copied);
        for (content, progress) in contents {
            if let Some(content) = content {
                let copy = |offset, size| fill::copy(&plan.memory, content, offset, size);
                fill::share(progress, content.0.size(), copy, irq::poll);
            }
        }
        rebuild.meet();
    }
}
