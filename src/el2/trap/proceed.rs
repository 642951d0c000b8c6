//! Continues after an exit, as the handler's [`Flow`] says.
//!
//! The fast paths of the vectors' handlers always resume the guest. Everything else goes through one of
//! these functions, each a tail call, so that a fast path needs no stack frame. The parameters come in
//! the order of the handlers', so that no register has to be moved.

use super::{smccc, sync};
use crate::el2::arch::frame::TrapFrame;
use crate::el2::drivers::gic::Acknowledged;
use crate::el2::vcpu::{self, Flow, Vcpu};

/// Returns to the guest, or leaves it.
#[inline(always)]
pub fn proceed(flow: Flow) {
    if flow == Flow::Leave {
        // SAFETY: only the vectors' handlers come here, for an exit from the guest that `Vcpu::enter`
        // entered on this CPU; the handler has returned, so that the stack holds nothing to drop.
        unsafe { vcpu::leave() }
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

/// Handles an interrupt that cannot simply be injected.
#[inline(never)]
pub fn answer(interrupt: Acknowledged) {
    proceed(vcpu::answer(interrupt));
}
