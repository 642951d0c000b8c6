//! The exception vectors, and the frame in which a guest's registers stand while EL2 runs.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ELR_EL2, Readable, VBAR_EL2, Writeable};
use bulkhead::arch::addr::Ipa;
use bulkhead::arch::esr;
use core::arch::global_asm;
use core::mem::size_of;

use super::{irq, mmio, panic, sync};

/// A guest's general registers; `vectors.s` knows the layout. x19 to x29 may not be there: they stand
/// in the registers themselves as long as nobody asks for them.
#[repr(C)]
pub struct Frame {
    /// x0 to x30, then the zero register; of an EL2 that faulted, its stack pointer.
    pub x: [u64; 32],
}

const _: () = assert!(size_of::<Frame>() == 32 * 8);

impl Frame {
    /// The value of a register as an instruction names it: 31 is the zero register.
    #[inline(always)]
    pub fn register(&self, number: u8) -> u64 {
        self.x[usize::from(number & 31)]
    }

    /// Sets a register as an instruction names it. It is the last thing that is done with the frame, so
    /// that nobody reads what is written to the zero register.
    #[inline(always)]
    pub fn set_register(&mut self, number: u8, value: u64) {
        self.x[usize::from(number & 31)] = value;
    }
}

/// Goes on behind the instruction that trapped.
#[inline(always)]
pub fn skip_instruction() {
    ELR_EL2.set(ELR_EL2.get().wrapping_add(4));
}

global_asm!(
    include_str!("vectors.s"),
    call = sym sync::call,
    system_register = sym sync::system_register,
    data_abort = sym mmio::data_abort,
    interrupt = sym irq::take,
    fast_interrupt = sym irq::take_own,
    serror = sym sync::serror,
    fault = sym panic::fault,
    hvc_0 = const esr::HVC_0,
);

unsafe extern "C" {
    static vectors: u8;
    fn enter_guest(entry: u64, spsr: u64, context: u64, stack_top: u64) -> !;
    fn restart_on_stack(stack_top: u64, go_on: extern "C" fn() -> !) -> !;
}

/// Points this CPU at the vectors.
pub fn install() {
    VBAR_EL2.set(core::ptr::addr_of!(vectors) as u64);
    barrier::isb(barrier::SY);
}

/// Leaves EL2 for a guest that begins at `entry` with `context` in x0 and zeros elsewhere.
///
/// # Safety
///
/// This CPU's EL1 and stage 2 must be those of the guest, `spsr` must name EL1 or EL0, and
/// `stack_top` must be the top of this CPU's stack, to whose contents nothing returns.
pub unsafe fn enter(entry: Ipa, spsr: u64, context: u64, stack_top: u64) -> ! {
    // SAFETY: the caller vouches for what `enter_guest` is given.
    unsafe { enter_guest(entry.get(), spsr, context, stack_top) }
}

/// Forgets all that is on this CPU's stack and goes on at `go_on`.
pub fn on_fresh_stack(stack_top: u64, go_on: extern "C" fn() -> !) -> ! {
    // SAFETY: `stack_top` is the top of this CPU's own stack, and nothing returns to its frames.
    unsafe { restart_on_stack(stack_top, go_on) }
}
