//! Giving a guest the exception that its own doing deserves.

use aarch64_cpu::registers::*;
use bulkhead::arch::addr::Ipa;
use bulkhead::arch::esr::Abort;
use bulkhead::trap::fault::{Access, Deed, Fault, Place};
use bulkhead::trap::inject::Interrupted;
use bulkhead::trap::stats::Cause;

use crate::el2::console::say;
use crate::el2::cpu::timer;
use crate::el2::partition::Partition;
use crate::el2::vcpu::Vcpu;

/// What is injected.
pub enum Injection {
    /// An UNDEFINED instruction.
    Undefined,
    /// A synchronous external abort in place of this one, at this IPA if it is known.
    Abort(Abort, Option<Ipa>),
}

/// Makes the guest go on in its exception vector, and tells the user; unless all was taken from it because
/// it is to end.
#[cold]
#[inline(never)]
pub fn inject(vcpu: &Vcpu, injection: Injection) {
    vcpu.leave_if_ended();
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
}

/// Counts the injection, and tells of it in a line, unless the guest makes Bulkhead print too many.
fn report(vcpu: &Vcpu, pc: u64, syndrome: u64, injection: &Injection) {
    let partition = vcpu.partition;
    let fault = Fault { deed: deed(partition, injection), vcpu: vcpu.index, pc, syndrome };
    vcpu.counters.count(Cause::Injected);
    let mut state = partition.state.lock();
    state.injections += 1;
    state.last_fault = Some(fault);
    let Some(suppressed) = state.fault_lines.allow(timer::now()) else {
        return;
    };
    drop(state);
    say!("{partition}: {}, {fault}", fault.deed);
    if suppressed > 0 {
        say!("{partition}: {suppressed} such lines were left out");
    }
}

/// What the guest did.
fn deed(partition: &Partition, injection: &Injection) -> Deed {
    let Injection::Abort(abort, ipa) = *injection else { return Deed::Undefined };
    let access = match (abort.is_data(), abort.is_write()) {
        (true, true) => Access::Store,
        (true, false) => Access::Load,
        (false, _) => Access::Fetch,
    };
    let place = match ipa {
        Some(ipa) if partition.emulated_device(ipa).is_some() => Place::Emulated(ipa),
        Some(ipa) => Place::Outside(ipa),
        None => Place::Unknown,
    };
    Deed::Access(access, place)
}
