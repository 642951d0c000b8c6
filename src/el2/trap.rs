//! Why a guest came to EL2, and what it gets for an answer.

use aarch64_cpu::registers::{ELR_EL2, ESR_EL2, FAR_EL2, HPFAR_EL2, Readable};
use bulkhead::addr::Ipa;
use bulkhead::esr::{self, Abort, Exception, SystemRegisterAccess};
use bulkhead::life::End;
use bulkhead::smccc;
use bulkhead::stats::Cause;
use bulkhead::system_registers::{self, Answer, ICC_SGI1R_EL1};
use bulkhead::vgic::{CpuInterfaceRegister, Delivery, SgiRegister};

use super::inject::{self, Injection};
use super::vcpu::Vcpu;
use super::vectors::{self, Frame};
use super::{calls, cpu};

/// HVC from AArch64.
pub extern "C" fn hypercall(frame: &mut Frame, esr: u64) {
    let vcpu = this_vcpu();
    vcpu.counters.count(Cause::Hvc);
    match smccc::constant(frame.x[0], esr as u16) {
        Some(value) => frame.x[0] = value as u64,
        None => calls::call(vcpu, frame, esr as u16),
    }
}

/// A synchronous exception of another class than those that have a function of their own: what a guest
/// does not do all the time.
pub extern "C" fn rare(frame: &mut Frame, esr: u64) {
    let vcpu = this_vcpu();
    let count = |cause| vcpu.counters.count(cause);
    match esr::decode(esr) {
        Exception::Smc(immediate) => {
            count(Cause::Smc);
            vectors::skip_instruction();
            calls::call(vcpu, frame, immediate);
        }
        Exception::InstructionAbort(abort) => {
            count(Cause::InstructionAbort);
            inject::inject(vcpu, Injection::Abort(abort, fault_address(abort)));
        }
        Exception::Wfx => {
            count(Cause::Other);
            vectors::skip_instruction();
        }
        Exception::Undefined => {
            count(Cause::Other);
            inject::inject(vcpu, Injection::Undefined);
        }
        Exception::Other(class) => {
            count(Cause::Other);
            vcpu.end(End::UnknownException { class, pc: ELR_EL2.get() })
        }
        Exception::DataAbort(_) | Exception::Hvc(_) | Exception::SystemRegister(_) => {
            unreachable!("the vectors send these elsewhere")
        }
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

/// MSR, MRS or a system instruction from AArch64.
pub extern "C" fn system_register(frame: &mut Frame, esr: u64) {
    let vcpu = this_vcpu();
    vcpu.counters.count(Cause::SystemRegister);
    // The one that a kernel writes all the time comes first.
    if SystemRegisterAccess::is_write_of(esr, ICC_SGI1R_EL1) {
        let value = frame.register(SystemRegisterAccess::new(esr).register);
        vcpu.send_sgi(SgiRegister::Sgi1, value);
        vectors::skip_instruction();
    } else {
        other_system_register(frame, esr, vcpu);
    }
}

/// The rest. In this order the arguments stay where they are.
#[inline(never)]
fn other_system_register(frame: &mut Frame, esr: u64, vcpu: &Vcpu) {
    let access = SystemRegisterAccess::new(esr);
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
