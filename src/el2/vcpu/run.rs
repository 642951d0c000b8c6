//! The loop that each CPU runs once it is set up.

use super::resident::{self, Resident};
use super::{Vcpu, interrupts};
use crate::el2::arch::{image, sync};
use crate::el2::cpu::{REBUILD, START};
use crate::el2::mm::live;
use crate::el2::partition::Partition;

/// Starts the guests, once every CPU has left boot's code, which is unmapped for good: no exit of a
/// guest can lead there. Then runs this CPU.
pub fn start_guests(resident: &'static Resident, partitions: &[Partition]) -> ! {
    resident.cpu.settle();
    while resident::all().iter().any(|it| it.cpu.is_up() && !it.cpu.is_settled()) {
        sync::relax();
    }
    // SAFETY: every CPU that is up has settled: it is in this file, whose code stays, and returns to no
    // other.
    unsafe { live::unmap(&[image::boot_code(), image::boot_library_code()]) };
    partitions.iter().for_each(Partition::boot);
    run(resident)
}

/// Leaves boot's code, and runs this CPU.
pub fn settle(resident: &'static Resident) -> ! {
    resident.cpu.settle();
    run(resident)
}

/// Runs the vCPUs of a CPU for good: their guests once they are started, and interrupts in between.
fn run(resident: &'static Resident) -> ! {
    loop {
        // Every request comes with a kick, whose interrupt ends WFI although interrupts are masked.
        let work = resident.cpu.wake.take_or_wait(|| {
            aarch64_cpu::asm::wfi();
            interrupts::poll();
        });
        for vcpu in resident.vcpus() {
            if work & REBUILD != 0 {
                vcpu.take_part_in_rebuild();
            }
            if work & START != 0 {
                vcpu.run_if_started();
            }
        }
    }
}

impl Vcpu {
    /// Runs the guest, if the vCPU is to start, until it leaves.
    fn run_if_started(&'static self) {
        if let Some(start) = self.partition.take_start(self.index()) {
            self.prepare();
            self.enter(start);
            self.retire();
        }
    }
}
