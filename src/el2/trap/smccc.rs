//! Handles a guest's calls by HVC and SMC: PSCI (DEN0022), TRNG (DEN0098) and SMCCC (DEN0028).

use bulkhead::partition::lifecycle::End;
use bulkhead::smccc::codes::{NOT_SUPPORTED, SUCCESS};
use bulkhead::smccc::psci::PsciOutcome;
use bulkhead::smccc::{self, Outcome};

use crate::el2::arch::firmware;
use crate::el2::arch::frame::TrapFrame;
use crate::el2::vcpu::{Flow, Vcpu};

/// Carries out a call by HVC or SMC with this immediate, and puts its result into x0.
#[inline(always)]
pub fn call(vcpu: &Vcpu, frame: &mut TrapFrame, immediate: u16) -> Flow {
    let x1 = frame.x[1];
    match smccc::decode(frame.x[0], x1, immediate, &vcpu.workarounds) {
        Outcome::Return(value) => frame.x[0] = value as u64,
        Outcome::Psci(id) => match psci(vcpu, id, frame) {
            Ok(value) => frame.x[0] = value as u64,
            Err(flow) => return flow,
        },
        Outcome::Firmware(workaround) => {
            frame.x[0] = firmware::work_around(workaround, x1) as u64;
        }
        Outcome::Trng => trng(vcpu, frame),
    }
    Flow::Resume
}

/// Has the partition's source of random numbers answer a call, if it has one.
#[inline(never)]
fn trng(vcpu: &Vcpu, frame: &mut TrapFrame) {
    match (&vcpu.partition.random, frame.x.first_chunk_mut()) {
        (Some(random), Some(x)) => random.answer(vcpu.index(), x),
        _ => frame.x[0] = NOT_SUPPORTED as u64,
    }
}

/// Carries out a call in a function of its own, for exceptions that have no fast path.
#[inline(never)]
pub fn call_out_of_line(vcpu: &Vcpu, frame: &mut TrapFrame, immediate: u16) -> Flow {
    call(vcpu, frame, immediate)
}

/// Carries out a PSCI call. Returns its result, or as an error the flow if the call does not
/// return.
fn psci(vcpu: &Vcpu, id: u32, frame: &TrapFrame) -> Result<i64, Flow> {
    match vcpu.psci(id, [frame.x[1], frame.x[2], frame.x[3]]) {
        PsciOutcome::Return(value) => Ok(value),
        PsciOutcome::StartCpu { vcpu: target, entry, context } => {
            vcpu.partition.start(target, entry, context);
            Ok(SUCCESS)
        }
        PsciOutcome::CpuOff => Err(vcpu.power_off()),
        // WFI at EL2 would not end for a virtual interrupt that is pending. PSCI lets a standby
        // state end at any time; a guest can wait by WFI, which does not trap.
        PsciOutcome::Standby => Ok(SUCCESS),
        PsciOutcome::SystemOff => Err(vcpu.end(End::Off)),
        PsciOutcome::SystemReset => Err(vcpu.end(End::Reset)),
    }
}
