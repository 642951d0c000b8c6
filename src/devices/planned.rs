//! The devices that Bulkhead emulates for a partition, as its Plan lists them.
//!
//! A new device needs a [`DeviceKind`] here, with the [`KindFacts`] in its file. docs/design.md
//! lists the other edits ("Adding an emulated device").

use super::address_map::{
    CONSOLE, CONSOLE_SIZE, CPU_INTERFACE, CPU_INTERFACE_SIZE, DISTRIBUTOR, DISTRIBUTOR_SIZE,
    MONITOR, PCI_CONFIGURATION, PCI_CONFIGURATION_SIZE, REDISTRIBUTOR_SIZE, REDISTRIBUTORS, VIRTIO,
};
use super::doorbell;
use super::facts::{Binding, KindFacts, Size};
use super::watchdog;
use crate::arch::addr::{Ipa, PAGE_SIZE, Region};
use crate::arch::intid::Intid;

/// A device that Bulkhead emulates for a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedDevice {
    /// The kind of device.
    pub kind: DeviceKind,
    /// The guest addresses of its registers.
    pub registers: Region<Ipa>,
    /// Its SPI, if devices of this kind raise one ([`KindFacts::has_interrupt`]).
    pub intid: Option<Intid>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $({ $($field:tt)+ })? = $facts:expr,)+) => {
        /// The kinds of emulated devices.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum DeviceKind {
            $($(#[$doc])* $name $({ $($field)+ })?,)+
        }

        impl DeviceKind {
            /// The number of kinds.
            const COUNT: usize = [$(stringify!($name)),+].len();

            /// Returns what all devices of this kind have in common.
            #[must_use]
            pub fn facts(self) -> &'static KindFacts {
                match self {
                    $(Self::$name { .. } => &$facts,)+
                }
            }
        }
    };
}

kinds! {
    /// The interrupt controller's distributor, GICD.
    Distributor = DISTRIBUTOR_FACTS,
    /// The GICv2 CPU interface, GICC. Its first page is the hardware's GICV, which stage 2 maps;
    /// accesses to GICC_DIR in its second page trap.
    CpuInterface = CPU_INTERFACE_FACTS,
    /// The GICv3 redistributors of all vCPUs, GICR.
    Redistributors = REDISTRIBUTORS_FACTS,
    /// The PL011 that is the partition's console.
    Pl011 = PL011_FACTS,
    /// The PL011 behind which the partition finds the monitor.
    MonitorPl011 = MONITOR_PL011_FACTS,
    /// The Generic Watchdog (DEN0094, appendix "Generic Watchdog"): the control frame, then the
    /// refresh frame.
    Watchdog {
        /// How long the guest may leave it unrefreshed when the partition starts, from 1 ms to an
        /// hour.
        milliseconds: u32,
    } = watchdog::FACTS,
    /// The virtio devices: the ends of the partition's links, its disks by virtio and its virtio
    /// console, a page each. Each has an SPI of the machine's, which is not that of
    /// [`PlannedDevice::intid`].
    Virtio = VIRTIO_FACTS,
    /// The configuration space (ECAM) of the PCI Express functions that are given to the partition,
    /// and the frame for their messages.
    PciConfiguration = PCI_CONFIGURATION_FACTS,
    /// The doorbells of the memory that the partition shares, a page each, with SPIs as those of
    /// virtio devices.
    Doorbells = doorbell::FACTS,
}

const DISTRIBUTOR_FACTS: KindFacts = KindFacts {
    name: "distributor",
    owned_name: "its distributor",
    start: DISTRIBUTOR,
    size: Size::Fixed(DISTRIBUTOR_SIZE),
    mapped: 0,
    has_interrupt: false,
    binding: Binding::interrupt_controller(&[]),
};
const CPU_INTERFACE_FACTS: KindFacts = KindFacts {
    name: "GICC_DIR",
    owned_name: "its CPU interface",
    start: CPU_INTERFACE,
    size: Size::Fixed(CPU_INTERFACE_SIZE),
    mapped: PAGE_SIZE,
    has_interrupt: false,
    binding: Binding::interrupt_controller(&["arm,cortex-a15-gic"]),
};
const REDISTRIBUTORS_FACTS: KindFacts = KindFacts {
    name: "redistributors",
    owned_name: "its redistributors",
    start: REDISTRIBUTORS,
    size: Size::PerVcpu(REDISTRIBUTOR_SIZE),
    mapped: 0,
    has_interrupt: false,
    binding: Binding::interrupt_controller(&["arm,gic-v3"]),
};
const PL011_FACTS: KindFacts = KindFacts {
    name: "console",
    owned_name: "its PL011",
    start: CONSOLE,
    size: Size::Fixed(CONSOLE_SIZE),
    mapped: 0,
    has_interrupt: true,
    binding: Binding::pl011("serial0"),
};
const MONITOR_PL011_FACTS: KindFacts = KindFacts {
    name: "monitor",
    owned_name: "its monitor's PL011",
    start: MONITOR,
    size: Size::Fixed(CONSOLE_SIZE),
    mapped: 0,
    has_interrupt: true,
    binding: Binding::pl011("serial1"),
};
const VIRTIO_FACTS: KindFacts = KindFacts {
    name: "virtio devices",
    owned_name: "its virtio devices",
    start: VIRTIO,
    size: Size::PerDevice(PAGE_SIZE),
    mapped: 0,
    has_interrupt: false,
    binding: Binding {
        node: "virtio_mmio",
        compatible: &["virtio,mmio"],
        alias: None,
        entry: Some(PAGE_SIZE),
    },
};

const PCI_CONFIGURATION_FACTS: KindFacts = KindFacts {
    name: "pcie",
    owned_name: "its PCIe configuration space",
    start: PCI_CONFIGURATION,
    size: Size::Fixed(PCI_CONFIGURATION_SIZE + PAGE_SIZE),
    mapped: 0,
    has_interrupt: false,
    binding: Binding {
        node: "pcie",
        compatible: &["pci-host-ecam-generic"],
        alias: None,
        entry: None,
    },
};

/// The largest number of links of a partition, of memory and of others each.
pub const MAX_LINKS: usize = 16;
/// The largest number of virtio devices of a partition, links and its console among them.
pub const MAX_VIRTIO_DEVICES: usize = 16;

impl PlannedDevice {
    /// Creates a device of a partition with this many vCPUs and virtio devices, without an
    /// interrupt.
    ///
    /// # Panics
    ///
    /// If its registers reach past the end of 64 bits, which no numbers that a partition can have
    /// lead to.
    #[must_use]
    pub fn new(kind: DeviceKind, vcpus: usize, virtio: usize) -> Self {
        let KindFacts { start, ref size, .. } = *kind.facts();
        let size = match *size {
            Size::Fixed(size) => size,
            Size::PerVcpu(size) => size * vcpus as u64,
            Size::PerDevice(size) => size * virtio as u64,
        };
        let registers = Region::new(start, size).expect("no device is near the end of 64 bits");
        Self { kind, registers, intid: None }
    }

    /// Returns the registers that are not mapped, so that accesses to them trap.
    // Inlined, as no code that stays mapped calls it.
    #[inline(always)]
    #[must_use]
    pub fn trapped(&self) -> Region<Ipa> {
        let mapped = self.kind.facts().mapped;
        let size = self.registers.size().saturating_sub(mapped);
        self.registers.part(mapped, size).unwrap_or(Region::EMPTY)
    }
}

/// Registers whose accesses trap, and the kind of device that they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrappedRegisters {
    /// Their guest addresses.
    pub region: Region<Ipa>,
    /// The kind of device.
    pub kind: DeviceKind,
}

/// The largest number of emulated devices that a partition can have: one of each kind, with either
/// the CPU interface or the redistributors.
pub const MAX_DEVICES: usize = DeviceKind::COUNT - 1;

impl TrappedRegisters {
    /// Collects the trapped registers of `devices` in an array that ends with empty regions. The
    /// array's address and length are fixed, for a fast search at each trap.
    ///
    /// # Panics
    ///
    /// If there are more than [`MAX_DEVICES`].
    #[must_use]
    pub fn array(devices: &[PlannedDevice]) -> [Self; MAX_DEVICES] {
        let empty = Self { kind: DeviceKind::Distributor, region: Region::EMPTY };
        let mut array = [empty; MAX_DEVICES];
        for (entry, device) in array[..devices.len()].iter_mut().zip(devices) {
            *entry = Self { kind: device.kind, region: device.trapped() };
        }
        array
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::devices::address_map::{GUEST_BASE, MAX_REDISTRIBUTORS};

    #[test]
    fn no_two_kinds_share_an_address_or_a_name() {
        let watchdog = DeviceKind::Watchdog { milliseconds: 1 };
        use DeviceKind::{
            CpuInterface, Distributor, Doorbells, MonitorPl011, PciConfiguration, Pl011,
            Redistributors, Virtio,
        };
        let gic = [Distributor, CpuInterface, Redistributors];
        let kinds: Vec<_> = gic
            .into_iter()
            .chain([Pl011, MonitorPl011, watchdog, Virtio, Doorbells, PciConfiguration])
            .collect();
        assert_eq!(kinds.len(), DeviceKind::COUNT);
        let new = |kind| PlannedDevice::new(kind, MAX_REDISTRIBUTORS, MAX_VIRTIO_DEVICES);
        let devices: Vec<_> = kinds.into_iter().map(new).collect();
        for (index, one) in devices.iter().enumerate() {
            assert!(one.registers.end() <= GUEST_BASE, "{one:?}");
            for other in &devices[index + 1..] {
                assert!(!one.registers.overlaps(&other.registers), "{one:?} {other:?}");
                assert_ne!(one.kind.facts().name, other.kind.facts().name);
            }
        }
    }
}
