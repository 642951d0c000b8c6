//! From booted to running.

use core::hint;

use super::partition::Partition;
use super::{console, cpu, interrupts, mmu};

/// Starts the guests, once every CPU has left the code that only boot needs; then this CPU joins
/// the others.
pub fn start_guests(partitions: &[Partition], boot_cpu: usize) -> ! {
    cpu::current().settle();
    while cpu::all().iter().any(|cpu| cpu.is_up() && !cpu.is_settled()) {
        hint::spin_loop();
    }
    // SAFETY: every CPU that is up is in this file, whose code stays, and goes nowhere but on.
    unsafe { mmu::forget_boot_code() };
    console::go_live(partitions, boot_cpu);
    partitions.iter().for_each(Partition::boot);
    wait()
}

/// What a CPU does that is set up: it waits for a guest.
pub fn settle() -> ! {
    cpu::current().settle();
    wait()
}

/// What a CPU does that runs no guest: it waits for its vCPU to be started, and takes interrupts.
pub extern "C" fn wait() -> ! {
    loop {
        if let Some(vcpu) = cpu::current().vcpu() {
            vcpu.start_if_asked();
        }
        // Interrupts are masked at EL2, but a pending one ends the wait all the same.
        aarch64_cpu::asm::wfi();
        interrupts::take();
    }
}
