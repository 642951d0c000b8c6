//! Giving a guest the exception that its own doing deserves.

use aarch64_cpu::registers::*;
use bulkhead::addr::Ipa;
use bulkhead::esr::Abort;
use bulkhead::inject::Interrupted;
use log::warn;

use super::timer;
use super::vcpu::Vcpu;
use super::vectors::Frame;

/// What is injected.
pub enum Injection {
    /// An UNDEFINED instruction.
    Undefined,
    /// A synchronous external abort in place of this one, at this IPA if it is known.
    Abort(Abort, Option<Ipa>),
}

/// Makes the guest go on in its exception vector, and tells the user.
pub fn inject(vcpu: &Vcpu, frame: &mut Frame, injection: Injection) {
    let syndrome = ESR_EL2.get();
    report(vcpu, frame.elr, syndrome, &injection);
    let interrupted = Interrupted { spsr: frame.spsr, sctlr: SCTLR_EL1.get(), id: &vcpu.id };
    let entry = match injection {
        Injection::Undefined => interrupted.undefined(),
        Injection::Abort(abort, _) => {
            FAR_EL1.set(FAR_EL2.get());
            interrupted.abort(abort)
        }
    };
    ESR_EL1.set(entry.esr);
    ELR_EL1.set(frame.elr);
    SPSR_EL1.set(frame.spsr);
    frame.elr = VBAR_EL1.get().wrapping_add(entry.vector);
    frame.spsr = entry.pstate;
}

/// Counts the injection, and tells of it in a line, unless the guest makes Bulkhead print too many.
fn report(vcpu: &Vcpu, pc: u64, syndrome: u64, injection: &Injection) {
    let partition = vcpu.partition;
    let mut state = partition.state.lock();
    state.injections += 1;
    let Some(suppressed) = state.fault_lines.allow(timer::now()) else {
        return;
    };
    drop(state);
    let (name, index) = (partition.name(), vcpu.index);
    let at = format_args!("vCPU {index}, pc {pc:#x}, esr {syndrome:#x}");
    match injection {
        Injection::Undefined => warn!("{name}: undefined instruction, {at}"),
        Injection::Abort(abort, ipa) => {
            let what = match (abort.is_data(), abort.is_write()) {
                (true, true) => "store",
                (true, false) => "load",
                (false, _) => "fetch",
            };
            match *ipa {
                Some(ipa) if partition.emulated_frame(ipa).is_some() => {
                    warn!("{name}: {what} that cannot be emulated, ipa {ipa}, {at}")
                }
                Some(ipa) => warn!("{name}: {what} outside the partition, ipa {ipa}, {at}"),
                None => warn!("{name}: {what} that failed, {at}"),
            }
        }
    }
    if suppressed > 0 {
        warn!("{name}: {suppressed} such lines were left out");
    }
}
