//! Dispatches to the devices that are implemented.

use super::pl011::Pl011;
use super::planned::DeviceKind;
use super::watchdog::Watchdog;
use super::{Device, Env, Offset};

/// Any emulated device. A new kind takes a variant, and an arm of `dispatch` and of
/// [`AnyDevice::of`].
pub enum AnyDevice {
    /// A PL011, with the console or the monitor as its peer.
    Pl011(Pl011),
    /// A generic watchdog.
    Watchdog(Watchdog),
}

/// Calls a method of the device that `$any` is.
macro_rules! dispatch {
    ($any:expr, $device:ident => $call:expr) => {
        match $any {
            AnyDevice::Pl011($device) => $call,
            AnyDevice::Watchdog($device) => $call,
        }
    };
}

impl AnyDevice {
    /// Creates a device of this kind in its reset state. `ticks` converts milliseconds into ticks
    /// of the counter. Returns `None` for the interrupt controller, and for the two PL011s, which
    /// EL2 keeps elsewhere because their peers have locks of their own.
    pub fn of(kind: DeviceKind, ticks: impl Fn(u64) -> u64) -> Option<Self> {
        match kind {
            DeviceKind::Watchdog { milliseconds } => {
                Some(Self::Watchdog(Watchdog::new(0, ticks(milliseconds.into()))))
            }
            DeviceKind::Distributor
            | DeviceKind::CpuInterface
            | DeviceKind::Redistributors
            | DeviceKind::Pl011
            | DeviceKind::MonitorPl011 => None,
        }
    }

    /// Returns whether the partition must be stopped as crashed, because its watchdog fired.
    pub fn has_fired(&self) -> bool {
        matches!(self, Self::Watchdog(watchdog) if watchdog.has_fired())
    }
}

impl Device for AnyDevice {
    fn read(&mut self, at: Offset, env: &mut Env<'_>) -> u64 {
        dispatch!(self, device => Device::read(device, at, env))
    }

    fn write(&mut self, at: Offset, value: u64, env: &mut Env<'_>) {
        dispatch!(self, device => Device::write(device, at, value, env));
    }

    fn poll(&mut self, env: &mut Env<'_>) {
        dispatch!(self, device => Device::poll(device, env));
    }

    fn line(&self) -> bool {
        dispatch!(self, device => Device::line(device))
    }

    fn deadline(&self) -> Option<u64> {
        dispatch!(self, device => Device::deadline(device))
    }

    fn reset(&mut self) {
        dispatch!(self, device => Device::reset(device));
    }
}

#[cfg(test)]
mod tests {
    use super::super::NoPeer;
    use super::*;

    #[test]
    fn each_device_answers_for_itself() {
        let mut env = Env { now: 0, peer: &mut NoPeer };
        let mut devices =
            [AnyDevice::Pl011(Pl011::default()), AnyDevice::Watchdog(Watchdog::new(0, 100))];
        let identification = [0xfe0, 0xfcc].map(Offset::new);
        let mut read = |device: &mut AnyDevice, at| device.read(at, &mut env);
        assert_eq!(read(&mut devices[0], identification[0]), 0x11);
        assert_eq!(read(&mut devices[1], identification[1]), 0x43b);
        assert_eq!(devices.map(|device| device.deadline()), [None, Some(51)]);
    }
}
