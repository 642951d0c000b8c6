//! Calls that a guest makes by HVC or SMC: PSCI and the SMC calling convention.

use bulkhead::partition::lifecycle::End;
use bulkhead::smccc::psci::{Outcome, SUCCESS};
use bulkhead::smccc::{self, Call};

use super::vectors::Frame;
use crate::el2::arch::firmware;
use crate::el2::vcpu::Vcpu;

/// Answers a call, in x0. The guest goes on behind the instruction.
#[inline(never)]
pub fn call(vcpu: &Vcpu, frame: &mut Frame, immediate: u16) {
    let [x0, x1, x2, x3] = [frame.x[0], frame.x[1], frame.x[2], frame.x[3]];
    frame.x[0] = match smccc::decode(x0, x1, immediate, &vcpu.workarounds) {
        Call::Return(value) => value as u64,
        Call::Psci(id) => psci(vcpu, id, [x1, x2, x3]),
        Call::Firmware(workaround) => firmware::work_around(workaround, x1) as u64,
    };
}

/// PSCI: what goes into x0, for a vCPU that goes on.
fn psci(vcpu: &Vcpu, id: u32, arguments: [u64; 3]) -> u64 {
    let value = match vcpu.psci(id, arguments) {
        Outcome::Return(value) => value,
        Outcome::StartCpu { vcpu: target, entry, context } => {
            vcpu.partition.start(target, entry, context);
            SUCCESS
        }
        Outcome::CpuOff => vcpu.power_off(),
        // EL2 could only wait for physical interrupts, while virtual ones may be pending already;
        // PSCI lets a standby end at any time. Guests that want to wait have WFI, which never traps.
        Outcome::Standby => SUCCESS,
        Outcome::SystemOff => vcpu.end(End::Off),
        Outcome::SystemReset => vcpu.end(End::Reset),
    };
    value as u64
}
