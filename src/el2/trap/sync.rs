//! Why a guest came to EL2, and what it gets for an answer.

use aarch64_cpu::registers::{ELR_EL2, ESR_EL2, FAR_EL2, HPFAR_EL2, Readable};
use bulkhead::arch::addr::Ipa;
use bulkhead::arch::esr::{self, Abort, Exception, SystemRegisterAccess};
use bulkhead::partition::lifecycle::End;
use bulkhead::trap::stats::Cause;
use bulkhead::trap::system_registers::{self, Answer, ICC_SGI1R_EL1};
use bulkhead::vgic::{CpuInterfaceRegister, Delivery, SgiRegister};

use super::inject::{self, Injection};
use super::smccc;
use super::vectors::{self, Frame};
use crate::el2::cpu;
use crate::el2::vcpu::Vcpu;

/// HVC from AArch64, or what is rare.
pub extern "C" fn call(frame: &mut Frame, esr: u64) {
    let vcpu = this_vcpu();
    if esr != esr::HVC_0 {
        return rare(vcpu, frame, esr);
    }
    vcpu.counters.count(Cause::Hvc);
    match bulkhead::smccc::constant(frame.x[0]) {
        Some(value) => frame.x[0] = value as u64,
        None => smccc::call(vcpu, frame, 0),
    }
}

/// A synchronous exception that is none of those which guests cause all the time.
// Out of line, for there are several callers.
#[inline(never)]
pub fn rare(vcpu: &Vcpu, frame: &mut Frame, esr: u64) {
    let exception = esr::decode(esr);
    vcpu.counters.count(cause(exception));
    match exception {
        Exception::Hvc(immediate) => smccc::call(vcpu, frame, immediate),
        Exception::Smc(immediate) => {
            vectors::skip_instruction();
            smccc::call(vcpu, frame, immediate);
        }
        Exception::SystemRegister(access) => system_register_access(vcpu, frame, access),
        Exception::DataAbort(abort) | Exception::InstructionAbort(abort) => {
            inject::inject(vcpu, Injection::Abort(abort, fault_address(abort)));
        }
        Exception::Wfx => vectors::skip_instruction(),
        Exception::Undefined => inject::inject(vcpu, Injection::Undefined),
        Exception::Other(class) => vcpu.end(End::UnknownException { class, pc: ELR_EL2.get() }),
    }
}

/// As what an exception counts.
fn cause(exception: Exception) -> Cause {
    match exception {
        Exception::Hvc(_) => Cause::Hvc,
        Exception::Smc(_) => Cause::Smc,
        Exception::SystemRegister(_) => Cause::SystemRegister,
        Exception::DataAbort(_) => Cause::DataAbort,
        Exception::InstructionAbort(_) => Cause::InstructionAbort,
        Exception::Wfx | Exception::Undefined | Exception::Other(_) => Cause::Other,
    }
}

/// An SError while a guest ran: something that it did long ago failed, and it cannot be told what.
pub extern "C" fn serror() {
    let vcpu = this_vcpu();
    vcpu.counters.count(Cause::Other);
    vcpu.end(End::SError { syndrome: ESR_EL2.get(), pc: ELR_EL2.get() });
}

/// The vCPU whose guest was just left.
#[inline(always)]
pub fn this_vcpu() -> &'static Vcpu {
    // SAFETY: the vectors come here from below EL2 alone, where this CPU went by `guest::enter` for its
    // vCPU.
    unsafe { cpu::current().vcpu_that_ran() }
}

/// MSR, MRS or a system instruction from AArch64, or what is rare.
pub extern "C" fn system_register(frame: &mut Frame, esr: u64) {
    let vcpu = this_vcpu();
    // The one that a kernel writes all the time comes first.
    if SystemRegisterAccess::is_write_of(esr, ICC_SGI1R_EL1) {
        vcpu.counters.count(Cause::SystemRegister);
        let value = frame.register(SystemRegisterAccess::new(esr).register);
        vcpu.send_sgi(SgiRegister::Sgi1, value);
        vectors::skip_instruction();
    } else {
        rare(vcpu, frame, esr);
    }
}

fn system_register_access(vcpu: &Vcpu, frame: &mut Frame, access: SystemRegisterAccess) {
    let SystemRegisterAccess { encoding, register, write } = access;
    match system_registers::trapped(encoding, write, &vcpu.id) {
        Answer::ReadAs(value) => frame.set_register(register, value),
        Answer::Ignore => {}
        Answer::SendSgi(kind) => vcpu.send_sgi(kind, frame.register(register)),
        Answer::CpuInterface(common) => return cpu_interface(vcpu, frame, access, common),
        Answer::Undefined => return inject::inject(vcpu, Injection::Undefined),
    }
    vectors::skip_instruction();
}

/// A common register of the CPU interface. Only those of a guest with direct interrupts trap, but
/// ICC_DIR_EL1, which may in either case.
fn cpu_interface(
    vcpu: &Vcpu,
    frame: &mut Frame,
    access: SystemRegisterAccess,
    common: CpuInterfaceRegister,
) {
    let SystemRegisterAccess { register, write, .. } = access;
    let done = match (vcpu.delivery(), common) {
        (Delivery::Trapped, CpuInterfaceRegister::Deactivate) => {
            vcpu.deactivate(frame.register(register));
            Some(())
        }
        (Delivery::Trapped, _) => None,
        (Delivery::Direct, _) if write => vcpu.write_interface(common, frame.register(register)),
        (Delivery::Direct, _) => {
            vcpu.read_interface(common).map(|value| frame.set_register(register, value))
        }
    };
    match done {
        Some(()) => vectors::skip_instruction(),
        None => inject::inject(vcpu, Injection::Undefined),
    }
}

/// The IPA of an abort, where the syndrome registers tell one.
pub fn fault_address(abort: Abort) -> Option<Ipa> {
    abort.ipa(FAR_EL2.get(), HPFAR_EL2.get())
}
