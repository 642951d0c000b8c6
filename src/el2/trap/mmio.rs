//! Emulates a guest's loads and stores to the devices that Bulkhead emulates.

use aarch64_cpu::registers::{FAR_EL2, HPFAR_EL2, Readable};
use bulkhead::devices::frame::FrameKind;
use bulkhead::devices::{pl011, watchdog};
use bulkhead::trap::mmio::{self, MmioAccess};
use bulkhead::trap::stats::Cause;

use super::sync::other;
use crate::el2::arch::frame::{TrapFrame, skip_instruction};
use crate::el2::vcpu::{Flow, Vcpu};

/// Handles a data abort: first the accesses that kernels make most, then emulated devices, then all
/// other exceptions.
#[inline(always)]
pub fn data_abort(vcpu: &Vcpu, frame: &mut TrapFrame, esr: u64) -> Flow {
    let (far, hpfar) = (FAR_EL2.get(), HPFAR_EL2.get());
    // First a store to GICD_SGIR.
    if vcpu.sgir_route.is_at(far, hpfar)
        && let Some(store) = MmioAccess::word_store(esr)
        && let Some(value) = vcpu.sgir_route.physical(frame.register(store.register()) as u32)
    {
        accept(vcpu, FrameKind::Distributor);
        vcpu.gic().store_sgir(value);
        return Flow::Resume;
    }
    let Some(access) = MmioAccess::of(esr) else { return other(vcpu, frame, esr) };
    // Then the console's registers for each byte. Both are at multiples of 8, where no access is
    // unaligned.
    match (mmio::console_offset(far, hpfar), access.is_write()) {
        (Some(pl011::DR), true) => {
            accept(vcpu, FrameKind::Console);
            vcpu.uart_send(frame.register(access.register()));
        }
        (Some(pl011::FR), false) if let Some(flags) = vcpu.idle_uart_flags() => {
            accept(vcpu, FrameKind::Console);
            frame.set_register(access.register(), access.loaded(flags));
        }
        _ => match access.ipa(far, hpfar).and_then(|ipa| vcpu.partition.emulated_frame(ipa)) {
            Some((device, offset)) => emulate(vcpu, frame, access, device, offset),
            None => return other(vcpu, frame, esr),
        },
    }
    Flow::Resume
}

/// Carries out an access to an emulated device.
#[inline(always)]
fn emulate(vcpu: &Vcpu, frame: &mut TrapFrame, access: MmioAccess, device: FrameKind, offset: u64) {
    accept(vcpu, device);
    if access.is_write() {
        let value = access.stored(frame.register(access.register()));
        match device {
            FrameKind::Distributor => vcpu.distributor_write(offset, access.size(), value),
            _ => store(vcpu, device, offset, access.size(), value),
        }
    } else if device == FrameKind::Distributor
        && let Some(value) = vcpu.plain_distributor_read(offset, access.size())
    {
        frame.set_register(access.register(), access.loaded(value));
    } else {
        load(vcpu, frame, access, device, offset);
    }
}

/// Counts an access that is carried out, and moves the guest past it.
#[inline(always)]
fn accept(vcpu: &Vcpu, device: FrameKind) {
    vcpu.counters.count(cause(device));
    skip_instruction();
}

/// Returns the cause that an access to a device counts as.
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

/// Carries out a load from an emulated device.
#[inline(never)]
fn load(vcpu: &Vcpu, frame: &mut TrapFrame, access: MmioAccess, device: FrameKind, offset: u64) {
    let value = match device {
        FrameKind::Distributor => vcpu.distributor_read(offset, access.size()),
        FrameKind::Redistributors => vcpu.redistributor_read(offset, access.size()),
        FrameKind::CpuInterface => 0,
        FrameKind::Console => vcpu.uart_access(offset, None),
        FrameKind::Monitor => vcpu.monitor_access(offset, None),
        FrameKind::WatchdogControl => vcpu.watchdog_read(watchdog::WatchdogFrame::Control, offset),
        FrameKind::WatchdogRefresh => vcpu.watchdog_read(watchdog::WatchdogFrame::Refresh, offset),
    };
    frame.set_register(access.register(), access.loaded(value));
}

/// Carries out a store to an emulated device.
#[inline(never)]
fn store(vcpu: &Vcpu, device: FrameKind, offset: u64, size: u64, value: u64) {
    match device {
        FrameKind::Distributor => vcpu.distributor_write(offset, size, value),
        FrameKind::Redistributors => vcpu.redistributor_write(offset, size, value),
        FrameKind::CpuInterface if offset == 0 => vcpu.deactivate(value),
        FrameKind::CpuInterface => {}
        FrameKind::Console => _ = vcpu.uart_access(offset, Some(value)),
        FrameKind::Monitor => _ = vcpu.monitor_access(offset, Some(value)),
        FrameKind::WatchdogControl => {
            vcpu.watchdog_write(watchdog::WatchdogFrame::Control, offset, value)
        }
        FrameKind::WatchdogRefresh => {
            vcpu.watchdog_write(watchdog::WatchdogFrame::Refresh, offset, value)
        }
    }
}
