//! Injects an Undefined Instruction exception or a synchronous external abort into EL1.

use aarch64_cpu::registers::*;
use bulkhead::arch::addr::Ipa;
use bulkhead::arch::esr::Abort;
use bulkhead::trap::fault::{AccessKind, Fault, FaultAddress, FaultKind};
use bulkhead::trap::inject::Interrupted;
use bulkhead::trap::stats::Cause;

use crate::el2::console::say;
use crate::el2::cpu::timer;
use crate::el2::partition::Partition;
use crate::el2::vcpu::{Flow, Vcpu};

/// An exception to inject.
pub enum Injection {
    /// An Undefined Instruction exception.
    Undefined,
    /// A synchronous external abort in place of this abort, with the IPA if it is known.
    Abort(Abort, Option<Ipa>),
}

/// Makes the guest continue at its exception vector, and reports the fault. Does neither if the
/// abort is due to the partition's stage 2 being cut.
#[cold]
#[inline(never)]
pub fn inject(vcpu: &Vcpu, injection: Injection) -> Flow {
    if vcpu.must_leave() {
        return Flow::Leave;
    }
    if let Injection::Abort(abort, Some(ipa)) = injection
        && abort.is_root_translation_fault()
        && let Some(flow) = vcpu.resume_after_cut(ipa)
    {
        return flow;
    }
    let (syndrome, elr, spsr) = (ESR_EL2.get(), ELR_EL2.get(), SPSR_EL2.get());
    report(vcpu, elr, syndrome, &injection);
    let interrupted = Interrupted { spsr, sctlr: SCTLR_EL1.get(), id: &vcpu.id };
    let entry = match injection {
        Injection::Undefined => interrupted.undefined(),
        Injection::Abort(abort, _) => {
            FAR_EL1.set(FAR_EL2.get());
            interrupted.abort(abort)
        }
    };
    ESR_EL1.set(entry.esr);
    ELR_EL1.set(elr);
    SPSR_EL1.set(spsr);
    ELR_EL2.set(VBAR_EL1.get().wrapping_add(entry.vector));
    SPSR_EL2.set(entry.pstate);
    Flow::Resume
}

/// Counts the injection, and prints a line about the fault unless the guest has caused too many.
fn report(vcpu: &Vcpu, pc: u64, syndrome: u64, injection: &Injection) {
    let partition = vcpu.partition;
    let fault = Fault { kind: fault_kind(partition, injection), vcpu: vcpu.index(), pc, syndrome };
    vcpu.counters.count(Cause::Injected);
    let mut state = partition.state.lock();
    state.injections = state.injections.wrapping_add(1);
    state.last_fault = Some(fault);
    partition.publish(&state);
    let Some(suppressed) = state.fault_lines.allow(timer::now()) else {
        return;
    };
    drop(state);
    say!("{partition}: {}, {fault}", fault.kind);
    if suppressed > 0 {
        say!("{partition}: {suppressed} such lines were suppressed");
    }
}

/// Returns what kind of fault caused the injection.
fn fault_kind(partition: &Partition, injection: &Injection) -> FaultKind {
    let Injection::Abort(abort, ipa) = *injection else { return FaultKind::Undefined };
    let access = match (abort.is_data(), abort.is_write()) {
        (true, true) => AccessKind::Store,
        (true, false) => AccessKind::Load,
        (false, _) => AccessKind::Fetch,
    };
    let address = match ipa {
        // Stage 2 lets a guest read and write everything that it maps, but for read-only disks.
        _ if abort.is_denied_write() => FaultAddress::ReadOnly(FAR_EL2.get()),
        Some(ipa) if partition.emulated_device(ipa).is_some() => FaultAddress::Emulated(ipa),
        Some(ipa) => FaultAddress::Outside(ipa),
        None => FaultAddress::Unknown,
    };
    FaultKind::Access(access, address)
}
