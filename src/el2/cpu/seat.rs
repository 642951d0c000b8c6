//! A vCPU's place on its physical CPU, as all CPUs see it.

use bulkhead::util::wake::Wake;

use super::Cpu;
use crate::el2::drivers::gic::Gic;

/// The place of one vCPU on its physical CPU. A partition has one for each of its vCPUs, and a
/// partition that owns its CPUs has all of theirs.
///
/// It exists before the vCPU does, because the console and other partitions' CPUs refer to it.
pub struct Seat {
    /// The CPU.
    pub cpu: &'static Cpu,
    /// The requests to the vCPU: such as [`REBUILD`](super::REBUILD).
    pub wake: Wake,
}

impl Seat {
    /// Returns a place on this CPU, of which nothing is requested.
    pub const fn new(cpu: &'static Cpu) -> Self {
        Self { cpu, wake: Wake::new() }
    }

    /// Makes its CPU come to EL2 and look at what has changed for the vCPU.
    #[inline(always)]
    pub fn kick(&self, gic: &Gic) {
        gic.kick(self.cpu.index());
    }
}
