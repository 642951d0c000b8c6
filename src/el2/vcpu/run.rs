//! The loop that each CPU runs once it is set up.

use super::resident::{self, Resident};
use super::{Vcpu, interrupts};
use crate::el2::arch::{image, sync};
use crate::el2::mm::live;
use crate::el2::partition::{Partition, Start};

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

/// Work that a CPU was requested to do.
enum Task {
    /// Take part in building the vCPU's partition again.
    Rebuild(&'static Vcpu),
    /// Run the guest from the vCPU's start.
    Run(&'static Vcpu, Start),
}

/// Runs the vCPUs of a CPU for good: their guests once they are started, and interrupts in
/// between.
fn run(resident: &'static Resident) -> ! {
    loop {
        match next_task(resident) {
            Some(Task::Rebuild(vcpu)) => vcpu.take_part_in_rebuild(),
            Some(Task::Run(vcpu, start)) => {
                vcpu.prepare();
                vcpu.enter(start);
                vcpu.retire();
            }
            None => {
                // Every request comes with a kick, whose interrupt ends WFI although interrupts are
                // masked. `next_task` was called after the last one was acknowledged, so that no
                // request is missed.
                aarch64_cpu::asm::wfi();
                interrupts::poll();
            }
        }
    }
}

/// Returns what was requested of this CPU's vCPUs.
fn next_task(resident: &'static Resident) -> Option<Task> {
    resident.vcpus().iter().find_map(|vcpu| {
        if vcpu.partition.rebuild.is_requested() {
            return Some(Task::Rebuild(vcpu));
        }
        let start = vcpu.partition.take_start(vcpu.index())?;
        Some(Task::Run(vcpu, start))
    })
}
