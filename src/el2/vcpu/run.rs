//! The run loop of each CPU, which begins when boot ends.

use super::resident::{self, Resident};
use super::{Vcpu, interrupts};
#[cfg(feature = "check-locks")]
use crate::el2::arch::lock_checks;
use crate::el2::arch::{image, sync};
use crate::el2::console;
use crate::el2::cpu::{CONSOLE, LINKS, ORDER, REBUILD, START};
use crate::el2::mm::live;
use crate::el2::partition::Partition;

/// Waits until every CPU has left boot's code, unmaps that permanently, so that no exit of a guest
/// can lead there, starts the guests, and enters the run loop.
pub fn start_guests(resident: &'static Resident, partitions: &[Partition]) -> ! {
    resident.cpu.settle();
    while resident::all().iter().any(|it| it.cpu.is_up() && !it.cpu.is_settled()) {
        sync::relax();
    }
    // SAFETY: a CPU calls `settle` after its last call into boot's code and never returns there;
    // the loop above has read it as settled for every CPU that is up; and `tests/image.rs` checks
    // that no code that stays calls code of boot.
    unsafe { live::unmap(&[image::boot_code(), image::boot_library_code()]) };
    #[cfg(feature = "check-locks")]
    lock_checks::set_live(true);
    partitions.iter().for_each(|partition| partition.boot(sync::relax));
    run(resident)
}

/// Records that this CPU has left boot's code, and enters the run loop.
pub fn settle(resident: &'static Resident) -> ! {
    resident.cpu.settle();
    run(resident)
}

/// Handles requests to this CPU's vCPUs, and interrupts while no guest runs. Never returns.
fn run(resident: &'static Resident) -> ! {
    loop {
        // Each request is followed by a kick, which ends WFI although interrupts are masked.
        resident.wait_for_requests(|| {
            aarch64_cpu::asm::wfi();
            interrupts::poll();
        });
        if resident.cpu.wake.take() & CONSOLE != 0 {
            // Interrupts are seen to between any two pieces of work.
            interrupts::poll();
            console::attend();
            interrupts::poll();
        }
        if let Some(vcpu) = resident.vcpu() {
            vcpu.answer_requests();
        }
    }
}

impl Vcpu {
    /// Answers the requests to this vCPU, which does not run its guest.
    fn answer_requests(&'static self) {
        let requests = self.seat.wake.take();
        if requests & ORDER != 0 {
            self.partition.carry_out_order();
        }
        if requests & LINKS != 0 {
            self.poll_links();
        }
        if requests & REBUILD != 0 {
            self.take_part_in_rebuild();
        }
        if requests & START != 0 {
            self.run_if_started();
        }
    }

    /// Runs the guest if the vCPU is requested to start. Returns when the vCPU has left its guest.
    fn run_if_started(&'static self) {
        if let Some(start) = self.partition.take_start(self.index()) {
            self.prepare();
            self.enter(start);
            self.retire();
        }
    }
}
