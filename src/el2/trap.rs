//! Why a guest came to EL2, and what it gets for an answer.

use aarch64_cpu::registers::{ESR_EL2, FAR_EL2, HPFAR_EL2, Readable};
use bulkhead::addr::Ipa;
use bulkhead::esr::{
    self, DataAbort, Exception, FaultAddress, InstructionAbort, SystemRegisterAccess,
};
use bulkhead::mmio::{Access, Operation};
use bulkhead::plan::FrameKind;
use bulkhead::system_registers::{self, Answer};

use super::inject::{self, Injection};
use super::partition::End;
use super::vcpu::Vcpu;
use super::vectors::Frame;
use super::{calls, cpu, interrupts};

/// A synchronous exception from a guest.
pub extern "C" fn synchronous(frame: &mut Frame) {
    let vcpu = this_vcpu();
    match esr::decode(ESR_EL2.get()) {
        Exception::Hvc { immediate } => calls::call(vcpu, frame, immediate),
        Exception::Smc { immediate } => {
            frame.skip_instruction();
            calls::call(vcpu, frame, immediate);
        }
        Exception::SystemRegister(access) => system_register(vcpu, frame, access),
        Exception::DataAbort(abort) => data_abort(vcpu, frame, &abort),
        Exception::InstructionAbort(abort) => instruction_abort(vcpu, frame, &abort),
        Exception::Wfx => frame.skip_instruction(),
        Exception::FpSimd
        | Exception::Sve
        | Exception::Sme
        | Exception::PointerAuth
        | Exception::Eret
        | Exception::Aarch32
        | Exception::SystemRegister128
        | Exception::IllegalState
        | Exception::Unknown => inject::inject(vcpu, frame, Injection::Undefined),
        Exception::Other { class } => vcpu.end(End::UnknownException { class, pc: frame.elr }),
    }
}

/// IRQ or FIQ while a guest ran.
pub extern "C" fn interrupt(_frame: &mut Frame) {
    interrupts::take();
}

/// An SError while a guest ran: something that it did long ago failed, and it cannot be told what.
pub extern "C" fn serror(frame: &mut Frame) {
    this_vcpu().end(End::SError { syndrome: ESR_EL2.get(), pc: frame.elr });
}

fn this_vcpu() -> &'static Vcpu {
    cpu::current().vcpu().expect("only a vCPU runs below EL2")
}

fn system_register(vcpu: &Vcpu, frame: &mut Frame, access: SystemRegisterAccess) {
    let SystemRegisterAccess { encoding, register, write } = access;
    match system_registers::trapped(encoding, write, &vcpu.id) {
        Answer::ReadAs(value) => frame.set_register(register, value),
        Answer::Ignore => {}
        Answer::SendSgi(kind) => vcpu.send_sgi(kind, frame.register(register)),
        Answer::Deactivate => vcpu.deactivate(frame.register(register)),
        Answer::Undefined => return inject::inject(vcpu, frame, Injection::Undefined),
    }
    frame.skip_instruction();
}

fn data_abort(vcpu: &Vcpu, frame: &mut Frame, abort: &DataAbort) {
    let place = abort.address(FAR_EL2.get(), HPFAR_EL2.get());
    if let FaultAddress::Known(ipa) = place
        && let Some(transfer) = abort.transfer
        && let Some((device, start)) = vcpu.partition.emulated_frame(ipa)
        && let Some(access) = Access::new(abort, ipa, |number| frame.register(number))
    {
        let value = emulate(vcpu, device, ipa.get() - start.get(), &access);
        if access.operation == Operation::Read {
            frame.set_register(transfer.register, transfer.loaded(value));
        }
        frame.skip_instruction();
    } else {
        inject::inject(vcpu, frame, Injection::DataAbort(*abort, known(place)));
    }
}

/// Carries out an access to a device that Bulkhead is; the value is that of a read.
fn emulate(vcpu: &Vcpu, device: FrameKind, offset: u64, access: &Access) -> u64 {
    let size = access.size.bytes();
    match (device, access.operation) {
        (FrameKind::Distributor, Operation::Read) => vcpu.distributor_read(offset, size),
        (FrameKind::Distributor, Operation::Write(value)) => {
            vcpu.distributor_write(offset, size, value);
            0
        }
        (FrameKind::Redistributors, Operation::Read) => vcpu.redistributor_read(offset, size),
        (FrameKind::Redistributors, Operation::Write(value)) => {
            vcpu.redistributor_write(offset, size, value);
            0
        }
        (FrameKind::CpuInterface, Operation::Write(value)) if offset == 0 => {
            vcpu.deactivate(value);
            0
        }
        (FrameKind::CpuInterface, _) => 0,
        (FrameKind::Console, Operation::Read) => vcpu.uart_read(offset, size),
        (FrameKind::Console, Operation::Write(value)) => {
            vcpu.uart_write(offset, size, value);
            0
        }
    }
}

fn instruction_abort(vcpu: &Vcpu, frame: &mut Frame, abort: &InstructionAbort) {
    let place = abort.address(FAR_EL2.get(), HPFAR_EL2.get());
    inject::inject(vcpu, frame, Injection::InstructionAbort(*abort, known(place)));
}

/// The IPA of an abort, where the syndrome registers tell one.
fn known(place: FaultAddress) -> Option<Ipa> {
    match place {
        FaultAddress::Known(ipa) => Some(ipa),
        FaultAddress::Translate { .. } | FaultAddress::Unknown => None,
    }
}
