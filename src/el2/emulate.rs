//! The guest's loads and stores at devices that Bulkhead is.

use aarch64_cpu::registers::{FAR_EL2, HPFAR_EL2, Readable};
use bulkhead::esr::Abort;
use bulkhead::mmio::Access;
use bulkhead::plan::FrameKind;
use bulkhead::stats::Cause;
use bulkhead::watchdog;

use super::inject::{self, Injection};
use super::trap::{fault_address, this_vcpu};
use super::vcpu::Vcpu;
use super::vectors::{self, Frame};

/// A load, a store, or cache maintenance that stage 2 refused, with this ESR_EL2.
pub extern "C" fn data_abort(frame: &mut Frame, esr: u64) {
    let vcpu = this_vcpu();
    if let Some(access) = Access::of(esr)
        && let Some(ipa) = access.ipa(FAR_EL2.get(), HPFAR_EL2.get())
        && let Some((device, offset)) = vcpu.partition.emulated_frame(ipa)
    {
        vcpu.counters.count(cause(device));
        vectors::skip_instruction();
        if access.is_write() {
            let value = access.stored(frame.register(access.register()));
            store(vcpu, device, offset, access.size(), value);
        } else {
            let value = load(vcpu, device, offset, access.size());
            frame.set_register(access.register(), access.loaded(value));
        }
    } else {
        refuse(vcpu, Abort::new(esr));
    }
}

/// Gives the guest an abort of its own for what cannot be emulated.
#[cold]
#[inline(never)]
fn refuse(vcpu: &Vcpu, abort: Abort) {
    vcpu.counters.count(Cause::DataAbort);
    inject::inject(vcpu, Injection::Abort(abort, fault_address(abort)));
}

/// As what an access to a device that Bulkhead is counts.
#[inline(always)]
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
#[inline(always)]
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
#[inline(always)]
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
