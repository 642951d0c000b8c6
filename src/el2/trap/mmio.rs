//! The guest's loads and stores at devices that Bulkhead is.

use aarch64_cpu::registers::{FAR_EL2, HPFAR_EL2, Readable};
use bulkhead::devices::pl011;
use bulkhead::devices::planned::DeviceKind;
use bulkhead::trap::mmio::{self, Access};
use bulkhead::trap::stats::Cause;

use super::sync::{rare, this_vcpu};
use super::vectors::{self, Frame};
use crate::el2::vcpu::Vcpu;

/// A load or store that stage 2 refused, with this ESR_EL2, or what is rare.
pub extern "C" fn data_abort(frame: &mut Frame, esr: u64) {
    let vcpu = this_vcpu();
    let (far, hpfar) = (FAR_EL2.get(), HPFAR_EL2.get());
    // What a kernel does to reach its other CPUs comes first.
    if vcpu.sgir_route.is_at(far, hpfar)
        && let Some(store) = Access::word_store(esr)
        && let Some(value) = vcpu.sgir_route.physical(frame.register(store.register()) as u32)
    {
        accept(vcpu, DeviceKind::Distributor);
        return vcpu.gic.store_sgir(value);
    }
    let Some(access) = Access::of(esr) else { return rare(vcpu, frame, esr) };
    // Then what it does for each byte that it prints. Both registers are at multiples of 8,
    // where no access is unaligned.
    match (mmio::console_offset(far, hpfar), access.is_write()) {
        (Some(pl011::DR), true) => {
            accept(vcpu, DeviceKind::Pl011);
            vcpu.uart_send(frame.register(access.register()));
        }
        (Some(pl011::FR), false) if let Some(flags) = vcpu.idle_uart_flags() => {
            accept(vcpu, DeviceKind::Pl011);
            frame.set_register(access.register(), access.loaded(flags));
        }
        _ => match access.ipa(far, hpfar).and_then(|ipa| vcpu.partition.emulated_device(ipa)) {
            Some((device, offset)) => emulate(vcpu, frame, access, device, offset),
            None => rare(vcpu, frame, esr),
        },
    }
}

/// An access to a device that Bulkhead is.
#[inline(always)]
fn emulate(vcpu: &Vcpu, frame: &mut Frame, access: Access, device: DeviceKind, offset: u64) {
    accept(vcpu, device);
    if access.is_write() {
        let value = access.stored(frame.register(access.register()));
        match device {
            DeviceKind::Distributor => vcpu.distributor_write(offset, access.size(), value),
            _ => store(vcpu, device, offset, access.size(), value),
        }
    } else if device == DeviceKind::Distributor
        && let Some(value) = vcpu.plain_distributor_read(offset, access.size())
    {
        frame.set_register(access.register(), access.loaded(value));
    } else {
        load(vcpu, frame, access, device, offset);
    }
}

/// Counts an access that is carried out, after which the guest goes on behind it.
#[inline(always)]
fn accept(vcpu: &Vcpu, device: DeviceKind) {
    vcpu.counters.count(cause(device));
    vectors::skip_instruction();
}

/// As what an access to a device that Bulkhead is counts.
#[inline(always)]
fn cause(device: DeviceKind) -> Cause {
    match device {
        DeviceKind::Distributor => Cause::Distributor,
        DeviceKind::CpuInterface => Cause::CpuInterface,
        DeviceKind::Redistributors => Cause::Redistributors,
        DeviceKind::Pl011 => Cause::Console,
        DeviceKind::MonitorPl011 => Cause::Monitor,
        DeviceKind::Watchdog { .. } => Cause::Watchdog,
    }
}

/// A load from a device that Bulkhead is.
#[inline(never)]
fn load(vcpu: &Vcpu, frame: &mut Frame, access: Access, device: DeviceKind, offset: u64) {
    let value = match device {
        DeviceKind::Distributor => vcpu.distributor_read(offset, access.size()),
        DeviceKind::Redistributors => vcpu.redistributor_read(offset, access.size()),
        DeviceKind::CpuInterface => 0,
        DeviceKind::Pl011 => vcpu.uart_access(offset, None),
        DeviceKind::MonitorPl011 => vcpu.monitor_access(offset, None),
        DeviceKind::Watchdog { .. } => vcpu.watchdog_read(offset),
    };
    frame.set_register(access.register(), access.loaded(value));
}

/// A store to a device that Bulkhead is.
#[inline(never)]
fn store(vcpu: &Vcpu, device: DeviceKind, offset: u64, size: u64, value: u64) {
    match device {
        DeviceKind::Distributor => vcpu.distributor_write(offset, size, value),
        DeviceKind::Redistributors => vcpu.redistributor_write(offset, size, value),
        DeviceKind::CpuInterface if offset == 0 => vcpu.deactivate(value),
        DeviceKind::CpuInterface => {}
        DeviceKind::Pl011 => _ = vcpu.uart_access(offset, Some(value)),
        DeviceKind::MonitorPl011 => _ = vcpu.monitor_access(offset, Some(value)),
        DeviceKind::Watchdog { .. } => vcpu.watchdog_write(offset, value),
    }
}
