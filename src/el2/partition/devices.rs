//! A partition's emulated devices, but for the interrupt controller and the two PL011s.

use alloc::vec::Vec;
use bulkhead::arch::intid::Intid;
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::planned::{DeviceKind, PlannedDevice};
use bulkhead::devices::{AnyDevice, Device, LineNotifier};

use crate::el2::cpu::timer;

/// An emulated device with its place in the partition.
pub struct EmulatedDevice {
    /// Its kind, by which the Plan has one of each.
    pub kind: DeviceKind,
    /// The device.
    pub device: AnyDevice,
    /// Its interrupt.
    pub intid: Option<Intid>,
    /// The level of its interrupt line that the vGIC was last notified of.
    pub line: LineNotifier,
    /// The vCPU that accessed it last, on whose CPU EL2's timer waits for its deadline. A deadline
    /// that another CPU's timer still waits for has no effect.
    pub timer: usize,
}

impl EmulatedDevice {
    /// Returns the devices that the Plan has for a partition.
    pub fn all(plan: &PartitionPlan) -> Vec<Self> {
        let emulated = |planned: &PlannedDevice| {
            let device = AnyDevice::of(planned.kind, timer::milliseconds)?;
            let PlannedDevice { kind, intid, .. } = *planned;
            Some(Self { kind, device, intid, line: LineNotifier::LOW, timer: 0 })
        };
        plan.devices.iter().filter_map(emulated).collect()
    }

    /// Puts it into the state in which a partition that starts finds it.
    pub fn reset(&mut self) {
        self.device.reset();
        (self.line, self.timer) = (LineNotifier::LOW, 0);
    }
}
