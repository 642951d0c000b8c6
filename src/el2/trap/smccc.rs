//! Carries out the calls that a guest makes by HVC or SMC.

use bulkhead::partition::lifecycle::End;
use bulkhead::smccc::codes::SUCCESS;
use bulkhead::smccc::psci::PsciOutcome;
use bulkhead::smccc::{self, Outcome};

use super::vectors::Frame;
use crate::el2::arch::firmware;
use crate::el2::vcpu::Vcpu;

/// Carries out a call and puts its result into x0. The guest resumes behind the instruction.
#[inline(never)]
pub fn call(vcpu: &Vcpu, frame: &mut Frame, immediate: u16) {
    let [x0, x1, x2, x3] = [frame.x[0], frame.x[1], frame.x[2], frame.x[3]];
    frame.x[0] = match smccc::decode(x0, x1, immediate, &vcpu.workarounds) {
        Outcome::Return(value) => value as u64,
        Outcome::Psci(id) => psci(vcpu, id, [x1, x2, x3]),
        Outcome::Firmware(workaround) => firmware::work_around(workaround, x1) as u64,
    };
}

/// Carries out a PSCI call, and returns its x0 if the vCPU goes on.
fn psci(vcpu: &Vcpu, id: u32, arguments: [u64; 3]) -> u64 {
    let value = match vcpu.psci(id, arguments) {
        PsciOutcome::Return(value) => value,
        PsciOutcome::StartCpu { vcpu: target, entry, context } => {
            vcpu.partition.start(target, entry, context);
            SUCCESS
        }
        PsciOutcome::CpuOff => vcpu.power_off(),
        // EL2 could only wait for physical interrupts, while virtual ones may be pending already.
        // PSCI allows a standby to end at any time, and WFI, which is not trapped, does wait.
        PsciOutcome::Standby => SUCCESS,
        PsciOutcome::SystemOff => vcpu.end(End::Off),
        PsciOutcome::SystemReset => vcpu.end(End::Reset),
    };
    value as u64
}
