//! Carries out a guest's loads and stores to emulated devices.

use aarch64_cpu::registers::{FAR_EL2, HPFAR_EL2, Readable};
use bulkhead::arch::addr::PAGE_SIZE;
use bulkhead::devices::pl011;
use bulkhead::devices::planned::DeviceKind;
use bulkhead::trap::mmio::{self, MmioAccess};
use bulkhead::trap::stats::Cause;

use super::proceed;
use crate::el2::arch::frame::{TrapFrame, skip_instruction};
use crate::el2::partition::{DeviceHead, NotifiedQueue};
use crate::el2::vcpu::Vcpu;

/// Handles a data abort outside the page of the PL011 at the console, or another exception that the
/// vectors pass here. Cases, in this order:
///
/// 1. A store to GICD_SGIR that sends a physical SGI.
/// 2. Another access to the first page of the distributor.
/// 3. An access to another emulated device.
/// 4. All other exceptions: [`proceed::other`].
#[inline(always)]
pub fn data_abort(vcpu: &Vcpu, frame: &mut TrapFrame, esr: u64) {
    let (far, hpfar) = (FAR_EL2.get(), HPFAR_EL2.get());
    if vcpu.sgir_route.is_at(far, hpfar)
        && let Some(store) = MmioAccess::word_store(esr)
        && let Some(value) = vcpu.sgir_route.physical(frame.register(store.register()) as u32)
    {
        accept(vcpu, DeviceKind::Distributor);
        return vcpu.gic().store_sgir(value);
    }
    let Some(access) = MmioAccess::of(esr) else {
        return proceed::other(frame, esr, vcpu);
    };
    if let Some(offset) = mmio::distributor_offset(far, hpfar)
        && access.is_aligned(offset)
    {
        return distributor(vcpu, frame, access, offset);
    }
    match access.ipa(far, hpfar).and_then(|ipa| vcpu.partition.emulated_device(ipa)) {
        Some((device, offset)) => {
            accept(vcpu, device);
            emulate(vcpu, frame, access, device, offset);
        }
        None => proceed::other(frame, esr, vcpu),
    }
}

/// Handles a data abort in the page of the PL011 at the console, or another exception of its class.
/// The vectors have handled most loads from UARTFR.
#[inline(always)]
pub fn console_abort(vcpu: &Vcpu, frame: &mut TrapFrame, esr: u64) {
    let offset = FAR_EL2.get() & (PAGE_SIZE - 1);
    match MmioAccess::of(esr).filter(|access| access.is_aligned(offset)) {
        Some(access) => {
            accept(vcpu, DeviceKind::Pl011);
            if offset == pl011::DR && access.is_write() {
                vcpu.uart_send(frame.register(access.register()));
            } else if access.is_write()
                && vcpu.is_uart_store_idle(offset, access.stored(frame.register(access.register())))
            {
                // Nothing changes.
            } else {
                emulate_console(vcpu, frame, access, offset);
            }
        }
        None => proceed::other(frame, esr, vcpu),
    }
}

/// Accepts a store of a word to QueueNotify of a virtio device. The vectors have handled accesses to
/// the interrupt's registers. Returns the queue; `None` if the vCPU has to run its console.
#[inline(always)]
pub fn notified(
    vcpu: &Vcpu,
    frame: &TrapFrame,
    esr: u64,
    device: &DeviceHead,
) -> Option<&'static dyn NotifiedQueue> {
    vcpu.counters.count(Cause::Notify);
    skip_instruction();
    let queue = frame.register(mmio::register(esr)) as u16;
    *device.queues.get(usize::from(queue))?
}

/// Carries out an access to the PL011 at the console.
#[inline(never)]
fn emulate_console(vcpu: &Vcpu, frame: &mut TrapFrame, access: MmioAccess, offset: u64) {
    let register = access.register();
    let stored = access.is_write().then(|| access.stored(frame.register(register)));
    let loaded = vcpu.uart_access(offset, stored);
    if stored.is_none() {
        frame.set_register(register, access.loaded(loaded));
    }
}

/// Carries out an access to the first page of the distributor.
#[inline(always)]
fn distributor(vcpu: &Vcpu, frame: &mut TrapFrame, access: MmioAccess, offset: u64) {
    accept(vcpu, DeviceKind::Distributor);
    if access.is_write() {
        let value = access.stored(frame.register(access.register()));
        vcpu.frame_write(false, offset, access.size(), value);
    } else if let Some(value) = vcpu.plain_distributor_read(offset, access.size()) {
        frame.set_register(access.register(), access.loaded(value));
    } else {
        load(frame, access, vcpu, DeviceKind::Distributor, offset);
    }
}

/// Carries out an access to an emulated device.
#[inline(always)]
fn emulate(
    vcpu: &Vcpu,
    frame: &mut TrapFrame,
    access: MmioAccess,
    device: DeviceKind,
    offset: u64,
) {
    if access.is_write() {
        let value = access.stored(frame.register(access.register()));
        match device {
            DeviceKind::Redistributors => vcpu.frame_write(true, offset, access.size(), value),
            _ => store(vcpu, device, offset, access.size(), value),
        }
    } else {
        load(frame, access, vcpu, device, offset);
    }
}

/// Counts an access, and moves ELR_EL2 past the instruction.
#[inline(always)]
pub(super) fn accept(vcpu: &Vcpu, device: DeviceKind) {
    vcpu.counters.count(cause(device));
    skip_instruction();
}

/// Returns the cause of exits as which an access to a device is counted.
#[inline(always)]
fn cause(device: DeviceKind) -> Cause {
    match device {
        DeviceKind::Distributor => Cause::Distributor,
        DeviceKind::CpuInterface => Cause::CpuInterface,
        DeviceKind::Redistributors => Cause::Redistributors,
        DeviceKind::Pl011 => Cause::Console,
        DeviceKind::MonitorPl011 => Cause::Monitor,
        DeviceKind::Virtio | DeviceKind::Doorbells => Cause::Link,
        _ => Cause::Device,
    }
}

/// Carries out a load from an emulated device.
#[inline(never)]
pub(super) fn load(
    frame: &mut TrapFrame,
    access: MmioAccess,
    vcpu: &Vcpu,
    device: DeviceKind,
    offset: u64,
) {
    let value = match device {
        DeviceKind::Distributor => vcpu.distributor_read(offset, access.size()),
        DeviceKind::Redistributors => vcpu.redistributor_read(offset, access.size()),
        DeviceKind::CpuInterface => 0,
        DeviceKind::Pl011 => vcpu.uart_access(offset, None),
        DeviceKind::MonitorPl011 => vcpu.monitor_access(offset, None),
        DeviceKind::PciConfiguration => vcpu.pci_access(offset, access.size(), None),
        DeviceKind::Virtio => vcpu.link_access(offset, access.size(), None),
        DeviceKind::Doorbells => vcpu.doorbell_access(offset, access.size(), None),
        _ => vcpu.device_access(device, offset, None),
    };
    frame.set_register(access.register(), access.loaded(value));
}

/// Carries out a store to an emulated device.
#[inline(never)]
pub(super) fn store(vcpu: &Vcpu, device: DeviceKind, offset: u64, size: u64, value: u64) {
    match device {
        DeviceKind::Distributor => vcpu.frame_write(false, offset, size, value),
        DeviceKind::Redistributors => vcpu.frame_write(true, offset, size, value),
        DeviceKind::CpuInterface if offset == 0 => vcpu.deactivate(value),
        DeviceKind::CpuInterface => {}
        DeviceKind::Pl011 => _ = vcpu.uart_access(offset, Some(value)),
        DeviceKind::MonitorPl011 => _ = vcpu.monitor_access(offset, Some(value)),
        DeviceKind::PciConfiguration => _ = vcpu.pci_access(offset, size, Some(value)),
        DeviceKind::Virtio => _ = vcpu.link_access(offset, size, Some(value)),
        DeviceKind::Doorbells => _ = vcpu.doorbell_access(offset, size, Some(value)),
        _ => _ = vcpu.device_access(device, offset, Some(value)),
    }
}
