//! A partition's emulated devices other than the interrupt controller and the two PL011s.

use alloc::vec::Vec;
use bulkhead::arch::intid::Intid;
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::planned::{DeviceKind, PlannedDevice};
use bulkhead::devices::{AnyDevice, Device, LineNotifier};

use crate::el2::cpu::timer;

/// An emulated device of a partition, with its connection to the vGIC and to EL2's timer.
pub struct EmulatedDevice {
    /// Its kind. A partition has at most one device of a kind.
    pub kind: DeviceKind,
    /// The device.
    pub device: AnyDevice,
    /// Its INTID.
    pub intid: Option<Intid>,
    /// Reports the level of its interrupt line to the vGIC.
    pub line: LineNotifier,
    /// The vCPU that wrote to it last. EL2's timer on its CPU is set to the device's deadline. An
    /// earlier deadline on another CPU's timer only causes a poll without effect.
    pub timer: usize,
}

impl EmulatedDevice {
    /// Returns all such devices that the Plan gives to a partition.
    pub fn all(plan: &PartitionPlan) -> Vec<Self> {
        let emulated = |planned: &PlannedDevice| {
            let device = AnyDevice::of(planned.kind, timer::milliseconds)?;
            let PlannedDevice { kind, intid, .. } = *planned;
            Some(Self { kind, device, intid, line: LineNotifier::LOW, timer: 0 })
        };
        plan.devices.iter().filter_map(emulated).collect()
    }

    /// Resets the device for the start of its partition.
    pub fn reset(&mut self) {
        self.device.reset();
        (self.line, self.timer) = (LineNotifier::LOW, 0);
    }
}
