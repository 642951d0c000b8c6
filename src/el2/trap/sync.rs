//! Dispatches synchronous exceptions and SErrors taken from a guest.

use aarch64_cpu::registers::{ELR_EL2, ESR_EL2, FAR_EL2, HPFAR_EL2, Readable};
use bulkhead::arch::addr::Ipa;
use bulkhead::arch::esr::{self, Abort, Exception, SystemRegisterAccess};
use bulkhead::partition::lifecycle::End;
use bulkhead::trap::set_way::{Step, Trapped};
use bulkhead::trap::stats::Cause;
use bulkhead::trap::system_registers::{self, Answer};
use bulkhead::vgic::{CpuInterfaceRegister, Delivery};

use super::inject::{Injection, inject};
use super::smccc;
use crate::el2::arch::frame::{TrapFrame, skip_instruction};
use crate::el2::vcpu::{Flow, Vcpu};

/// Handles exceptions that have no fast path.
#[inline(always)]
pub fn other(vcpu: &Vcpu, frame: &mut TrapFrame, esr: u64) -> Flow {
    let exception = esr::decode(esr);
    vcpu.counters.count(cause(exception));
    match exception {
        Exception::Hvc(immediate) => return smccc::call_out_of_line(vcpu, frame, immediate),
        Exception::Smc(immediate) => {
            skip_instruction();
            return smccc::call_out_of_line(vcpu, frame, immediate);
        }
        Exception::SystemRegister(access) => return system_register_access(vcpu, frame, access),
        Exception::DataAbort(abort) | Exception::InstructionAbort(abort) => {
            return inject(vcpu, Injection::Abort(abort, fault_address(abort)));
        }
        Exception::Wfx => skip_instruction(),
        Exception::Undefined => return inject(vcpu, Injection::Undefined),
        Exception::Other(class) => {
            return vcpu.end(End::UnknownException { class, pc: ELR_EL2.get() });
        }
    }
    Flow::Resume
}

/// Returns the cause of exits as which an exception is counted.
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

/// Handles an SError, which cannot be attributed to an instruction of the guest: stops the
/// partition.
pub fn serror(vcpu: &Vcpu) -> Flow {
    vcpu.counters.count(Cause::Other);
    vcpu.end(End::SError { syndrome: ESR_EL2.get(), pc: ELR_EL2.get() })
}

/// Handles a trapped access to a system register.
fn system_register_access(
    vcpu: &Vcpu,
    frame: &mut TrapFrame,
    access: SystemRegisterAccess,
) -> Flow {
    let SystemRegisterAccess { encoding, register, write } = access;
    match system_registers::trapped(encoding, write, &vcpu.id) {
        Answer::ReadAs(value) => frame.set_register(register, value),
        Answer::Ignore => {}
        Answer::SendSgi(kind) => vcpu.send_sgi(kind, frame.register(register)),
        Answer::CpuInterface(common) => return cpu_interface(vcpu, frame, access, common),
        Answer::SetWay => return maintain_caches(vcpu, Trapped::SetWay),
        Answer::Undefined if write => return maintain_caches(vcpu, Trapped::Write),
        Answer::Undefined => return inject(vcpu, Injection::Undefined),
    }
    skip_instruction();
    Flow::Resume
}

/// Handles cache maintenance by set and way, and writes of registers that EL2 may be watching for
/// it.
fn maintain_caches(vcpu: &Vcpu, trapped: Trapped) -> Flow {
    match vcpu.maintain_caches(trapped) {
        Step::Undefined => return inject(vcpu, Injection::Undefined),
        Step::Skip | Step::Watch => skip_instruction(),
        Step::Clean | Step::Release => {}
    }
    Flow::Resume
}

/// Handles an access to a register of the CPU interface that is common to both groups. With trapped
/// delivery only ICC_DIR_EL1 traps.
fn cpu_interface(
    vcpu: &Vcpu,
    frame: &mut TrapFrame,
    access: SystemRegisterAccess,
    common: CpuInterfaceRegister,
) -> Flow {
    let SystemRegisterAccess { register, write, .. } = access;
    let completed = match (vcpu.delivery(), common) {
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
    if completed.is_none() {
        return inject(vcpu, Injection::Undefined);
    }
    skip_instruction();
    Flow::Resume
}

/// Returns the IPA of an abort, if FAR_EL2 and HPFAR_EL2 hold it.
fn fault_address(abort: Abort) -> Option<Ipa> {
    abort.ipa(FAR_EL2.get(), HPFAR_EL2.get())
}
