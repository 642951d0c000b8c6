//! The registers below EL2 as a vCPU finds them: MMU off, and nothing of an earlier guest's left.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::system_registers::{IdRegisters, field};

use super::context::{self, Context};
use super::register_files;
use super::registers::write_register;

/// Resets all registers of this CPU that a guest can use, for the start of a vCPU; `id` is what the
/// guest sees of the CPU.
///
/// A guest's kernel may be too old to know some of them, and a CPU that has EL2 comes out of reset
/// with any value there.
pub fn reset(id: &IdRegisters) {
    Context::reset().load(id);
    context::reset_register_files(id);
    barrier::isb(barrier::SY);
}

/// Keeps timers and counters that a guest has set up from interrupting this CPU after the guest has
/// stopped.
pub fn silence(id: &IdRegisters) {
    write_register!("cntv_ctl_el0", 0);
    write_register!("cntp_ctl_el0", 0);
    if id.field(field::PMU_VER) > 0 {
        register_files::stop_counters();
    }
    barrier::isb(barrier::SY);
}
