//! Reads the properties that give a partition emulated devices.

use alloc::vec::Vec;

use super::{Result, refuse};
use crate::boot::fdt::Node;
use crate::devices::planned::DeviceKind;

/// A property of a partition that gives it an emulated device.
pub(super) struct DeviceProperty {
    /// Its name.
    pub name: &'static str,
    /// Reads it from the node of a partition: `None` if it is absent.
    read: fn(Node<'_, '_>) -> Result<Option<DeviceKind>>,
}

/// The properties, in the order of the Plan's devices, which is that of their INTIDs.
pub(super) const DEVICE_PROPERTIES: [DeviceProperty; 2] = [
    DeviceProperty { name: "monitor", read: monitor },
    DeviceProperty { name: "watchdog-ms", read: watchdog },
];

/// The largest `watchdog-ms`, an hour. A larger number is probably meant in another unit.
const MAX_MILLISECONDS: u32 = 3_600_000;

/// Returns the devices that the properties of a partition's node give it.
pub(super) fn optional_devices(node: Node<'_, '_>) -> Result<Vec<DeviceKind>> {
    let mut kinds = Vec::new();
    for property in DEVICE_PROPERTIES {
        kinds.extend((property.read)(node)?);
    }
    Ok(kinds)
}

/// Reads `monitor`.
fn monitor(node: Node<'_, '_>) -> Result<Option<DeviceKind>> {
    Ok(node.flag("monitor")?.then_some(DeviceKind::MonitorPl011))
}

/// Reads `watchdog-ms`: milliseconds, from 1 ms to an hour.
fn watchdog(node: Node<'_, '_>) -> Result<Option<DeviceKind>> {
    match node.cell("watchdog-ms")? {
        Some(milliseconds) if !(1..=MAX_MILLISECONDS).contains(&milliseconds) => {
            let range = format_args!("is not from 1 to {MAX_MILLISECONDS}, an hour");
            refuse!(node.path(), ": watchdog-ms = <{milliseconds}> {range}")
        }
        milliseconds => Ok(milliseconds.map(|milliseconds| DeviceKind::Watchdog { milliseconds })),
    }
}
