//! Why a guest came to EL2, and what it gets for an answer.

use aarch64_cpu::registers::{ESR_EL2, FAR_EL2, HPFAR_EL2, Readable};
use bulkhead::addr::Ipa;
use bulkhead::esr::{self, Abort, Exception, SystemRegisterAccess};
use bulkhead::life::End;
use bulkhead::mmio::Access;
use bulkhead::plan::FrameKind;
use bulkhead::stats::Cause;
use bulkhead::system_registers::{self, Answer};
use bulkhead::vgic::{CpuInterfaceRegister, Delivery};
use bulkhead::watchdog;

use super::inject::{self, Injection};
use super::vcpu::Vcpu;
use super::vectors::Frame;
use super::{calls, cpu};

/// A synchronous exception from a guest.
pub extern "C" fn synchronous(frame: &mut Frame) {
    let vcpu = this_vcpu();
    let count = |cause| vcpu.counters.count(cause);
    match esr::decode(ESR_EL2.get()) {
        Exception::Hvc(immediate) => {
            count(Cause::Hvc);
            calls::call(vcpu, frame, immediate);
        }
        Exception::Smc(immediate) => {
            count(Cause::Smc);
            frame.skip_instruction();
            calls::call(vcpu, frame, immediate);
        }
        Exception::SystemRegister(access) => {
            count(Cause::SystemRegister);
            system_register(vcpu, frame, access);
        }
        Exception::DataAbort(abort) => data_abort(vcpu, frame, abort),
        Exception::InstructionAbort(abort) => {
            count(Cause::InstructionAbort);
            inject::inject(vcpu, frame, Injection::Abort(abort, fault_address(abort)));
        }
        Exception::Wfx => {
            count(Cause::Other);
            frame.skip_instruction();
        }
        Exception::Undefined => {
            count(Cause::Other);
            inject::inject(vcpu, frame, Injection::Undefined);
        }
        Exception::Other(class) => {
            count(Cause::Other);
            vcpu.end(End::UnknownException { class, pc: frame.elr })
        }
    }
}

/// An SError while a guest ran: something that it did long ago failed, and it cannot be told what.
pub extern "C" fn serror(frame: &mut Frame) {
    let vcpu = this_vcpu();
    vcpu.counters.count(Cause::Other);
    vcpu.end(End::SError { syndrome: ESR_EL2.get(), pc: frame.elr });
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
        Answer::CpuInterface(common) => return cpu_interface(vcpu, frame, access, common),
        Answer::Undefined => return inject::inject(vcpu, frame, Injection::Undefined),
    }
    frame.skip_instruction();
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
        Some(()) => frame.skip_instruction(),
        None => inject::inject(vcpu, frame, Injection::Undefined),
    }
}

fn data_abort(vcpu: &Vcpu, frame: &mut Frame, abort: Abort) {
    let place = fault_address(abort);
    if let Some(ipa) = place
        && let Some((device, start)) = vcpu.partition.emulated_frame(ipa)
        && let Some(access) = Access::new(abort, ipa)
    {
        vcpu.counters.count(cause(device));
        let offset = ipa.get() - start.get();
        if access.is_write() {
            let value = access.stored(frame.register(access.register()));
            store(vcpu, device, offset, access.size(), value);
        } else {
            let value = load(vcpu, device, offset, access.size());
            frame.set_register(access.register(), access.loaded(value));
        }
        frame.skip_instruction();
    } else {
        vcpu.counters.count(Cause::DataAbort);
        inject::inject(vcpu, frame, Injection::Abort(abort, place));
    }
}

/// As what an access to a device that Bulkhead is counts.
fn cause(device: FrameKind) -> Cause {
    match device {
        FrameKind::Distributor => Cause::Distributor,
        FrameKind::CpuInterface => Cause::CpuInterface,
        FrameKind::Redistributors => Cause::Redistributors,
        FrameKind::Console => Cause::Console,
        FrameKind::Monitor => Cause::Monitor,
        FrameKind::WatchdogControl | FrameKind::WatchdogRefresh => Cause::Watchdog,
    }
}

/// A load from a device that Bulkhead is.
fn load(vcpu: &Vcpu, device: FrameKind, offset: u64, size: u64) -> u64 {
    match device {
        FrameKind::Distributor => vcpu.distributor_read(offset, size),
        FrameKind::Redistributors => vcpu.redistributor_read(offset, size),
        FrameKind::CpuInterface => 0,
        FrameKind::Console => vcpu.uart_read(offset),
        FrameKind::Monitor => vcpu.monitor_read(offset),
        FrameKind::WatchdogControl => vcpu.watchdog_read(watchdog::Frame::Control, offset),
        FrameKind::WatchdogRefresh => vcpu.watchdog_read(watchdog::Frame::Refresh, offset),
    }
}

/// A store to a device that Bulkhead is.
fn store(vcpu: &Vcpu, device: FrameKind, offset: u64, size: u64, value: u64) {
    match device {
        FrameKind::Distributor => vcpu.distributor_write(offset, size, value),
        FrameKind::Redistributors => vcpu.redistributor_write(offset, size, value),
        FrameKind::CpuInterface if offset == 0 => vcpu.deactivate(value),
        FrameKind::CpuInterface => {}
        FrameKind::Console => vcpu.uart_write(offset, value),
        FrameKind::Monitor => vcpu.monitor_write(offset, value),
        FrameKind::WatchdogControl => vcpu.watchdog_write(watchdog::Frame::Control, offset, value),
        FrameKind::WatchdogRefresh => vcpu.watchdog_write(watchdog::Frame::Refresh, offset, value),
    }
}

/// The IPA of an abort, where the syndrome registers tell one.
fn fault_address(abort: Abort) -> Option<Ipa> {
    abort.ipa(FAR_EL2.get(), HPFAR_EL2.get())
}
