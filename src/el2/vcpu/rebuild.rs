//! Builds a partition again, on its own CPUs, while other partitions run.
//!
//! All of its vCPUs take part, one piece of memory at a time, and handle their physical CPU's
//! interrupts between the pieces, so that the time until an interrupt is handled does not depend on
//! the size of the memory. A piece takes at most 20,000 instructions (`tests/boot/stays.rs`).

use bulkhead::smmu::StreamState;

use super::{Vcpu, interrupts};
use crate::el2::arch::{cache, sync};
use crate::el2::drivers::gic::ThisCpu;
use crate::el2::mm::fill::{self, COPY_PIECE, SCRUB_PIECE};

impl Vcpu {
    /// Takes part in building the partition again. At the end vCPU 0 starts it.
    pub fn take_part_in_rebuild(&self) {
        let rebuild = &self.partition.rebuild;
        // What came before, such as the partition's end, is a piece of its own.
        interrupts::poll_all();
        if let Some(links) = &self.partition.links {
            // Another CPU moves at most a piece before it sees that the partition has stopped.
            while !links.stop() {
                interrupts::poll();
                sync::relax();
            }
        }
        if self.partition.streams.is_some() {
            // Before any memory is scrubbed: no device writes into it afterwards.
            if self.index() == 0 {
                self.partition.set_streams(StreamState::Closed, interrupts::poll);
            }
            rebuild.wait_for_all(interrupts::poll);
        }
        if let Some(pci) = &self.partition.pci {
            // Until they are reset, what they have begun may write to the memory.
            while !pci.reset() {
                interrupts::poll();
                sync::relax();
            }
        }
        self.fill();
        if self.index() == 0 {
            if let Some(random) = &self.partition.random {
                // SAFETY: `fill` has copied the tree, and every vCPU has reached its last barrier.
                unsafe { random.write_seeds(&self.partition.memory.open()) };
            }
            cache::invalidate_instructions();
            self.partition.reset(&mut ThisCpu(&self.position));
            self.partition.stage2.restore();
        }
        rebuild.wait_for_all(interrupts::poll);
        self.gic().reset_virtual_interface(self.delivery());
        self.with_vgic(|vgic, hardware| vgic.reset_private(hardware));
        rebuild.wait_for_all(interrupts::poll);
        if self.index() == 0 {
            self.partition.boot(interrupts::poll);
        }
    }

    /// Scrubs all of the partition's memory, then copies the images and the tree.
    fn fill(&self) {
        let (partition, rebuild) = (self.partition, &self.partition.rebuild);
        let memory = &partition.memory;
        let scrub = |offset, size| {
            // SAFETY: no vCPU runs the guest before the last barrier of the rebuild.
            unsafe { memory.scrub(offset, size) };
        };
        let pieces = (memory.host().size(), SCRUB_PIECE);
        fill::share(&rebuild.scrubbed, pieces, scrub, interrupts::poll);
        rebuild.wait_for_all(interrupts::poll);
        let contents =
            fill::contents(&partition.plan, &partition.tree).into_iter().zip(&rebuild.copied);
        for (content, progress) in contents {
            if let Some(content) = content {
                let copy = |offset, size| memory.copy(content, offset, size);
                let pieces = (content.0.size(), COPY_PIECE);
                fill::share(progress, pieces, copy, interrupts::poll);
            }
        }
        rebuild.wait_for_all(interrupts::poll);
    }
}
