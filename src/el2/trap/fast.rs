//! The fast paths of calls and of system registers.

use bulkhead::arch::esr::{self, SystemRegisterAccess};
use bulkhead::trap::stats::Cause;
use bulkhead::trap::system_registers::ICC_SGI1R_EL1;

use super::proceed;
use crate::el2::arch::frame::{TrapFrame, skip_instruction};
use crate::el2::vcpu::Vcpu;

/// Handles an HVC with immediate 0 from AArch64, and passes other exceptions to [`proceed::other`].
#[inline(always)]
pub fn call(vcpu: &Vcpu, frame: &mut TrapFrame, esr: u64) {
    if esr != esr::HVC_0 {
        return proceed::other(frame, esr, vcpu);
    }
    vcpu.counters.count(Cause::Hvc);
    match bulkhead::smccc::constant(frame.x[0]) {
        Some(value) => frame.x[0] = value as u64,
        None => proceed::call(frame, vcpu),
    }
}

/// Handles a write of ICC_SGI1R_EL1, the most frequent trapped access, and passes other exceptions
/// to [`proceed::other`].
#[inline(always)]
pub fn system_register(vcpu: &Vcpu, frame: &mut TrapFrame, esr: u64) {
    if SystemRegisterAccess::is_write_of(esr, ICC_SGI1R_EL1) {
        vcpu.counters.count(Cause::SystemRegister);
        let value = frame.register(SystemRegisterAccess::new(esr).register);
        vcpu.send_physical_sgi(value);
        skip_instruction();
    } else {
        proceed::other(frame, esr, vcpu);
    }
}
