//! Answers calls that a guest makes by HVC or SMC: PSCI (DEN0022) and SMCCC (DEN0028).

use bulkhead::partition::lifecycle::End;
use bulkhead::smccc::codes::SUCCESS;
use bulkhead::smccc::psci::PsciOutcome;
use bulkhead::smccc::{self, Outcome};

use crate::el2::arch::firmware;
use crate::el2::arch::frame::TrapFrame;
use crate::el2::vcpu::{Flow, Vcpu};

/// Carries out a call, and puts its result into x0.
#[inline(always)]
pub fn call(vcpu: &Vcpu, frame: &mut TrapFrame, immediate: u16) -> Flow {
    let x1 = frame.x[1];
    let value = match smccc::decode(frame.x[0], x1, immediate, &vcpu.workarounds) {
        Outcome::Return(value) => value,
        Outcome::Psci(id) => match psci(vcpu, id, frame) {
            Ok(value) => value,
            Err(flow) => return flow,
        },
        Outcome::Firmware(workaround) => firmware::work_around(workaround, x1),
    };
    frame.x[0] = value as u64;
    Flow::Resume
}

/// Carries out a call in a function of its own, for exceptions that have no fast path.
#[inline(never)]
pub fn call_out_of_line(vcpu: &Vcpu, frame: &mut TrapFrame, immediate: u16) -> Flow {
    call(vcpu, frame, immediate)
}

/// Carries out a PSCI call, and returns its result, or what follows if the vCPU does not return.
fn psci(vcpu: &Vcpu, id: u32, frame: &TrapFrame) -> Result<i64, Flow> {
    match vcpu.psci(id, [frame.x[1], frame.x[2], frame.x[3]]) {
        PsciOutcome::Return(value) => Ok(value),
        PsciOutcome::StartCpu { vcpu: target, entry, context } => {
            vcpu.partition.start(target, entry, context);
            Ok(SUCCESS)
        }
        PsciOutcome::CpuOff => Err(vcpu.power_off()),
        // EL2 could only wait for physical interrupts, while virtual ones may be pending already.
        // PSCI lets a standby end at any time; guests that want to wait have WFI, which never traps.
        PsciOutcome::Standby => Ok(SUCCESS),
        PsciOutcome::SystemOff => Err(vcpu.end(End::Off)),
        PsciOutcome::SystemReset => Err(vcpu.end(End::Reset)),
    }
}
