//! Continues after an exit as the handler's [`Flow`] says.
//!
//! The fast paths of the vectors' handlers always resume the guest. All other cases are tail calls
//! of these functions, so that a fast path needs no stack frame. The parameters have the order of
//! the handlers' parameters, so that no register has to be moved.

use super::{smccc, sync};
use crate::el2::arch::frame::TrapFrame;
use crate::el2::drivers::gic::Acknowledged;
use crate::el2::vcpu::{self, Flow, Vcpu};

/// Returns to the guest, or to the run loop, as `flow` says.
#[inline(always)]
pub fn proceed(flow: Flow) {
    #[cfg(feature = "check-locks")]
    {
        crate::el2::arch::lock_checks::assert_none_held();
        crate::el2::mm::window::assert_none_open();
    }
    if flow == Flow::Leave {
        // SAFETY: only the handlers of `vectors.rs` call this, for an exit from the guest that
        // `Vcpu::enter` entered on this CPU. The handler has returned, so nothing on the stack
        // needs to be dropped.
        unsafe { vcpu::leave_guest() }
    }
}

/// Handles an exception that has no fast path.
#[inline(never)]
pub fn other(frame: &mut TrapFrame, esr: u64, vcpu: &Vcpu) {
    proceed(sync::other(vcpu, frame, esr));
}

/// Carries out an SMCCC call that has no constant result.
#[inline(never)]
pub fn call(frame: &mut TrapFrame, vcpu: &Vcpu) {
    proceed(smccc::call(vcpu, frame, 0));
}

/// Handles an interrupt that the fast path could not write into a list register.
#[inline(never)]
pub fn handle_interrupt(interrupt: Acknowledged) {
    proceed(vcpu::handle_interrupt(interrupt));
}
