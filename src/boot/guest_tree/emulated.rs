//! The nodes of the emulated devices.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Builder, LEVEL_HIGH, at, flags, reg};
use crate::arch::addr::PAGE_SIZE;
use crate::boot::pci::BusWindow;
use crate::boot::plan::MessagePlan;
use crate::devices::address_map::{MESSAGE_FRAME, PCI_CONFIGURATION, PCI_CONFIGURATION_SIZE};
use crate::devices::facts::Binding;
use crate::devices::planned::{DeviceKind, PlannedDevice};
use crate::pci::Address;

/// The clock of the emulated PL011s in Hz, which their drivers divide to get a baud rate.
const PL011_CLOCK: u32 = 24_000_000;

/// Returns the binding of a kind of device.
pub(super) fn binding(kind: DeviceKind) -> &'static Binding {
    &kind.facts().binding
}

/// Returns the name of a device's node, with its unit address.
fn node_name(device: &PlannedDevice) -> String {
    at(binding(device.kind).node, device.registers.start().get())
}

/// Returns the entries of `reg` for a device.
pub(super) fn entries(device: &PlannedDevice) -> impl Iterator<Item = [u32; 4]> {
    let (start, size) = (device.registers.start().get(), device.registers.size());
    let entry = binding(device.kind).entry.unwrap_or(size);
    (0..size / entry).map(move |index| reg(start + index * entry, entry))
}

impl Builder<'_> {
    /// Writes `/aliases`: a name for each emulated UART.
    pub(super) fn aliases(&mut self) {
        self.writer.begin_node("aliases");
        for device in &self.partition.devices {
            if let Some(alias) = binding(device.kind).alias {
                self.writer.property_str(alias, &["/", &node_name(device)].concat());
            }
        }
        self.writer.end_node();
    }

    /// Writes `stdout-path` of `/chosen`: the path of the console.
    pub(super) fn stdout_path(&mut self) {
        if let Some(console) = self.partition.device(DeviceKind::Pl011) {
            self.writer.property_str("stdout-path", &["/", &node_name(console)].concat());
        }
    }

    /// Writes the nodes of the emulated devices, and of the clock that the UARTs refer to.
    pub(super) fn emulated_devices(&mut self) {
        let tree = &mut self.writer;
        tree.begin_node("console-clock");
        tree.property_str("compatible", "fixed-clock");
        tree.property_u32("#clock-cells", 0);
        tree.property_u32("clock-frequency", PL011_CLOCK);
        tree.property_u32("phandle", self.console_clock);
        tree.end_node();
        for device in &self.partition.devices {
            match device.kind {
                DeviceKind::Distributor => self.interrupt_controller(device),
                DeviceKind::Virtio => self.virtio_devices(device),
                DeviceKind::PciConfiguration => self.host_bridge(device),
                DeviceKind::Doorbells => self.doorbells(device),
                _ if binding(device.kind).node == Binding::INTERRUPT_CONTROLLER => {}
                _ => self.emulated_device(device),
            }
        }
    }

    /// Writes the node of the interrupt controller, whose first registers are the distributor's.
    fn interrupt_controller(&mut self, distributor: &PlannedDevice) {
        let devices = self.partition.devices.iter();
        let parts = devices.filter(|it| binding(it.kind).node == Binding::INTERRUPT_CONTROLLER);
        let regions: Vec<_> = parts.clone().flat_map(entries).collect();
        let mut names = parts.flat_map(|it| binding(it.kind).compatible);
        let address_cells = self.address_cells();
        let tree = &mut self.writer;
        tree.begin_node(&node_name(distributor));
        tree.property_str("compatible", names.next().copied().unwrap_or_default());
        tree.property_cells("reg", regions.as_flattened());
        tree.property_empty("interrupt-controller");
        tree.property_u32("#interrupt-cells", 3);
        tree.property_u32("#address-cells", address_cells);
        tree.property_u32("phandle", self.gic);
        self.message_frame();
        self.writer.end_node();
    }

    /// Returns the number of cells of addresses below the interrupt controller, where the frame for
    /// messages is, if there is one.
    fn address_cells(&self) -> u32 {
        if self.partition.messages.is_some() { 2 } else { 0 }
    }

    /// Writes the node of the frame for messages (binding `arm,gic-v2m-frame`), and what the node of
    /// the interrupt controller, which contains it, then needs.
    fn message_frame(&mut self) {
        let Some(MessagePlan { spis, .. }) = &self.partition.messages else { return };
        let tree = &mut self.writer;
        tree.property_u32("#size-cells", 2);
        tree.property_empty("ranges");
        tree.begin_node(&at("v2m", MESSAGE_FRAME.get()));
        tree.property_str("compatible", "arm,gic-v2m-frame");
        tree.property_empty("msi-controller");
        tree.property_cells("reg", &reg(MESSAGE_FRAME.get(), PAGE_SIZE));
        tree.property_u32("arm,msi-base-spi", spis.first.get());
        tree.property_u32("arm,msi-num-spis", spis.count);
        tree.property_u32("phandle", self.message_frame);
        tree.end_node();
    }

    /// Writes the nodes of the virtio devices, whose registers are consecutive pages of `device`
    /// (binding `virtio,mmio`): the ends of links, then disks, whose `label` is the name of the link
    /// or of the disk, and the console. Its node comes first: Linux numbers consoles in the order of
    /// the nodes.
    fn virtio_devices(&mut self, device: &PlannedDevice) {
        let Binding { node, compatible, .. } = binding(device.kind);
        let partition = self.partition;
        let links = partition.links.iter().map(|port| (port.name.as_str(), port.interrupt));
        let disks = partition.virtio_disks().map(|(it, device)| (&*it.name, device.interrupt));
        let console = partition.virtio_console.map(|it| ("console", Some(it)));
        let all = links.chain(disks).chain(console);
        let mut devices: Vec<_> = entries(device).zip(all).collect();
        if console.is_some() {
            devices.rotate_right(1);
        }
        for (registers, (label, interrupt)) in devices {
            let interrupt = interrupt.map(|it| self.interrupt(it.intid, flags(it.trigger)));
            let tree = &mut self.writer;
            let [high, low, ..] = registers;
            tree.begin_node(&at(node, u64::from(high) << 32 | u64::from(low)));
            tree.property_strings("compatible", compatible);
            tree.property_cells("reg", &registers);
            tree.property_cells("interrupts", interrupt.as_slice().as_flattened());
            // Bulkhead accesses the queues and buffers through its caches.
            tree.property_empty("dma-coherent");
            tree.property_str("label", label);
            tree.end_node();
        }
    }

    /// Writes the node of the host bridge of the partition's PCI Express functions, whose
    /// configuration space is `device` (binding `pci-host-ecam-generic`).
    fn host_bridge(&mut self, device: &PlannedDevice) {
        let Some(bus) = &self.partition.pci else { return };
        let Binding { compatible, .. } = binding(device.kind);
        let BusWindow { bus: start, region } = bus.window;
        let [high, low, of_size @ ..] = reg(region.start().get(), region.size());
        // The first cell: memory of 32 bits.
        let [start_high, start_low, ..] = reg(start, 0);
        let range = [2 << 24, start_high, start_low, high, low, of_size[0], of_size[1]];
        let mut map: Vec<u32> = Vec::new();
        for (number, function) in (0..).zip(&bus.functions) {
            if let Some(interrupt) = function.interrupt {
                let unit = u32::from(Address::new(0, number, 0).requester()) << 8;
                map.extend([unit, 0, 0, function.pin.into(), self.gic]);
                map.resize(map.len() + self.address_cells() as usize, 0);
                map.extend(self.interrupt(interrupt.intid, flags(interrupt.trigger)));
            }
        }
        let tree = &mut self.writer;
        tree.begin_node(&node_name(device));
        tree.property_strings("compatible", compatible);
        tree.property_str("device_type", "pci");
        tree.property_u32("#address-cells", 3);
        tree.property_u32("#size-cells", 2);
        tree.property_u32("#interrupt-cells", 1);
        tree.property_cells("reg", &reg(PCI_CONFIGURATION.get(), PCI_CONFIGURATION_SIZE));
        tree.property_cells("bus-range", &[0, 0]);
        tree.property_cells("ranges", &range);
        tree.property_cells("interrupt-map", &map);
        // Bits 15:11 of the address count, the device, and the pin.
        tree.property_cells("interrupt-map-mask", &[0xf800, 0, 0, 7]);
        if bus.is_coherent {
            tree.property_empty("dma-coherent");
        }
        if self.partition.messages.is_some() {
            tree.property_u32("msi-parent", self.message_frame);
        }
        tree.end_node();
    }

    /// Writes the node of an emulated device that is no part of the interrupt controller.
    fn emulated_device(&mut self, device: &PlannedDevice) {
        let regions: Vec<_> = entries(device).collect();
        let interrupt = device.intid.map(|intid| self.interrupt(intid, LEVEL_HIGH));
        let tree = &mut self.writer;
        tree.begin_node(&node_name(device));
        tree.property_strings("compatible", binding(device.kind).compatible);
        tree.property_cells("reg", regions.as_flattened());
        if let Some(interrupt) = interrupt {
            tree.property_cells("interrupts", &interrupt);
        }
        match device.kind {
            DeviceKind::Pl011 | DeviceKind::MonitorPl011 => {
                tree.property_cells("clocks", &[self.console_clock; 2]);
                tree.property_strings("clock-names", &["uartclk", "apb_pclk"]);
            }
            // A driver counts in whole seconds.
            DeviceKind::Watchdog { milliseconds } => {
                tree.property_u32("timeout-sec", milliseconds.div_ceil(1000));
            }
            _ => {}
        }
        tree.end_node();
    }
}
