//! Resets the EL1 and EL0 registers for a vCPU: MMU off, and no state of an earlier guest.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::system_registers::{IdRegisters, field};

use super::context::{self, Context, Features};
use super::register_files;
use super::registers::write_register;

/// Resets all registers of this CPU that a guest can use, for the start of a vCPU. `id` is the
/// guest's view of the ID registers.
///
/// A kernel does not initialise the registers of features newer than itself, and their reset value
/// is UNKNOWN on a CPU with EL2.
pub fn reset(id: &IdRegisters) {
    let features = Features::of(id);
    Context::reset().load(features);
    context::reset_register_files(features);
    barrier::isb(barrier::SY);
}

/// Disables the timers and counters that a guest has set up, so that they do not interrupt this CPU
/// after the guest has stopped.
pub fn silence(id: &IdRegisters) {
    write_register!("cntv_ctl_el0", 0);
    write_register!("cntp_ctl_el0", 0);
    if id.field(field::PMU_VER) > 0 {
        register_files::stop_counters();
    }
    barrier::isb(barrier::SY);
}
