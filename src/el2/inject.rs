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

/// One line for each injection, but no more than a guest may make Bulkhead print.
fn report(vcpu: &Vcpu, pc: u64, syndrome: u64, injection: &Injection) {
    let partition = vcpu.partition;
    let allowed = partition.state.lock().fault_lines.allow(timer::now());
    let Some(suppressed) = allowed else {
        return;
    };
    let (what, ipa) = match injection {
        Injection::Undefined => ("undefined instruction", None),
        Injection::Abort(abort, ipa) if !abort.is_data() => ("fetch outside the partition", *ipa),
        Injection::Abort(abort, ipa) if abort.is_write() => ("store outside the partition", *ipa),
        Injection::Abort(_, ipa) => ("load outside the partition", *ipa),
    };
    let (name, index) = (partition.name(), vcpu.index);
    match ipa {
        Some(ipa) => {
            warn!("{name}: {what}, vCPU {index}, ipa {ipa}, pc {pc:#x}, esr {syndrome:#x}")
        }
        None => warn!("{name}: {what}, vCPU {index}, pc {pc:#x}, esr {syndrome:#x}"),
    }
    if suppressed > 0 {
        warn!("{name}: {suppressed} such lines were left out");
    }
}
