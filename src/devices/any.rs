//! Dispatches to the devices that are implemented.

use super::planned::DeviceKind;
use super::watchdog::Watchdog;
use super::{Device, Env, Offset};

macro_rules! devices {
    (|$ticks:ident| $($(#[$doc:meta])* $name:ident($type:ty): $kind:pat => $create:expr,)+) => {
        /// Any emulated device but the interrupt controller, the two PL011s, virtio devices,
        /// doorbells and PCI Express functions, which have locks of their own.
        pub enum AnyDevice {
            $($(#[$doc])* $name($type),)+
        }

        impl AnyDevice {
            /// Returns the device of a kind that this enum has, as a partition that starts finds
            /// it; `ticks` converts milliseconds into ticks of the counter. `None` for the
            /// others.
            pub fn of(kind: DeviceKind, $ticks: impl Fn(u64) -> u64) -> Option<Self> {
                match kind {
                    $($kind => Some(Self::$name($create)),)+
                    DeviceKind::Distributor
                    | DeviceKind::CpuInterface
                    | DeviceKind::Redistributors
                    | DeviceKind::Pl011
                    | DeviceKind::MonitorPl011
                    | DeviceKind::Virtio
                    | DeviceKind::PciConfiguration
                    | DeviceKind::Doorbells => None,
                }
            }
        }

        impl Device for AnyDevice {
            fn read(&mut self, at: Offset, env: &mut Env<'_>) -> u64 {
                match self { $(Self::$name(device) => Device::read(device, at, env),)+ }
            }

            fn write(&mut self, at: Offset, value: u64, env: &mut Env<'_>) {
                match self { $(Self::$name(device) => Device::write(device, at, value, env),)+ }
            }

            fn poll(&mut self, env: &mut Env<'_>) {
                match self { $(Self::$name(device) => Device::poll(device, env),)+ }
            }

            fn line(&self) -> bool {
                match self { $(Self::$name(device) => Device::line(device),)+ }
            }

            fn deadline(&self) -> Option<u64> {
                match self { $(Self::$name(device) => Device::deadline(device),)+ }
            }

            fn has_fired(&self) -> bool {
                match self { $(Self::$name(device) => Device::has_fired(device),)+ }
            }

            fn reset(&mut self) {
                match self { $(Self::$name(device) => Device::reset(device),)+ }
            }
        }
    };
}

devices! { |ticks|
    /// A generic watchdog.
    Watchdog(Watchdog): DeviceKind::Watchdog { milliseconds } =>
        Watchdog::new(0, ticks(milliseconds.into())),
}

#[cfg(test)]
mod tests {
    use super::super::NoPeer;
    use super::*;

    #[test]
    fn a_device_is_dispatched_by_its_kind() {
        let mut env = Env { now: 0, peer: &mut NoPeer };
        let of = |kind| AnyDevice::of(kind, |milliseconds| milliseconds * 10);
        assert!(of(DeviceKind::Pl011).is_none());
        let mut watchdog = of(DeviceKind::Watchdog { milliseconds: 10 }).unwrap();
        assert_eq!(watchdog.read(Offset::new(0xfcc), &mut env), 0x43b);
        assert_eq!((watchdog.deadline(), watchdog.has_fired()), (Some(51), false));
        env.now = 200;
        watchdog.poll(&mut env);
        assert!(watchdog.has_fired() && watchdog.line());
        watchdog.reset();
        assert!(!watchdog.has_fired());
    }
}
