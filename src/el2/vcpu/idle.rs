//! From booted to running.

use core::arch::asm;

use crate::el2::arch::{image, sync};
use crate::el2::cpu;
use crate::el2::mm::mmu;
use crate::el2::partition::Partition;
use crate::el2::trap::irq;

/// Starts the guests, once every CPU has left the code that only boot needs; then this CPU joins
/// the others.
pub fn start_guests(partitions: &[Partition]) -> ! {
    cpu::current().settle();
    while cpu::all().iter().any(|cpu| cpu.is_up() && !cpu.is_settled()) {
        sync::relax();
    }
    // SAFETY: every CPU that is up is in this file, whose code stays, and goes nowhere but on.
    unsafe { forget_boot_code() };
    partitions.iter().for_each(Partition::boot);
    idle()
}

/// Makes the code that only boot needs inaccessible, for good: no guest's trap can lead there.
///
/// # Safety
///
/// No CPU may be in that code, or return to it.
unsafe fn forget_boot_code() {
    let code = image::boot_code();
    let mut live = mmu::LIVE.lock();
    let unmapped = live.as_mut().map(|tables| tables.unmap(code.start(), code.size()));
    assert!(unmapped == Some(Ok(())), "boot's code was mapped as pages");
    // SAFETY: dropping translations makes the CPUs look them up again; the caller vouches for
    // those that are gone.
    unsafe {
        asm!(
            "dsb ishst",
            "tlbi alle2is",
            "dsb ish",
            "ic ialluis",
            "dsb ish",
            "isb",
            options(nostack)
        );
    }
}

/// What a CPU does that is set up: it waits for a guest.
pub fn settle() -> ! {
    cpu::current().settle();
    idle()
}

/// What a CPU does that runs no guest: it waits for its vCPU to be started, and takes interrupts.
pub extern "C" fn idle() -> ! {
    loop {
        if let Some(vcpu) = cpu::current().vcpu() {
            vcpu.rebuild_if_asked();
            vcpu.start_if_asked();
        }
        // Interrupts are masked at EL2, but a pending one ends the wait all the same.
        aarch64_cpu::asm::wfi();
        irq::poll();
    }
}
