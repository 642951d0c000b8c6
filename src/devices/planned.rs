//! The devices that Bulkhead emulates for a partition, as its Plan lists them.
//!
//! A new device needs a [`DeviceKind`] and its [`KindFacts`] here. docs/design.md lists the other
//! edits ("Adding an emulated device").

use super::address_map::{
    CONSOLE, CONSOLE_SIZE, CPU_INTERFACE, CPU_INTERFACE_SIZE, DISTRIBUTOR, DISTRIBUTOR_SIZE,
    MONITOR, REDISTRIBUTOR_SIZE, REDISTRIBUTORS, WATCHDOG_CONTROL, WATCHDOG_FRAME_SIZE,
};
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

/// The kinds of emulated devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The interrupt controller's distributor, GICD.
    Distributor,
    /// The GICv2 CPU interface, GICC. Its first page is the hardware's GICV, which stage 2 maps;
    /// accesses to GICC_DIR in its second page trap.
    CpuInterface,
    /// The GICv3 redistributors of all vCPUs, GICR.
    Redistributors,
    /// The PL011 that is the partition's console.
    Pl011,
    /// The PL011 behind which the partition finds the monitor.
    MonitorPl011,
    /// The Generic Watchdog (DEN0094, appendix "Generic Watchdog"): the control frame, then the
    /// refresh frame.
    Watchdog {
        /// How long the guest may leave it unrefreshed when the partition starts, from 1 ms to an
        /// hour.
        milliseconds: u32,
    },
}

/// What all devices of one kind have in common.
#[derive(Debug)]
pub struct KindFacts {
    /// The name in the monitor's answers.
    pub name: &'static str,
    /// The name in refusals, as in "would cover its PL011".
    pub owned_name: &'static str,
    /// The guest address of its registers.
    start: Ipa,
    /// The number of bytes of its registers.
    size: Size,
    /// How many bytes at the start are mapped by stage 2; accesses to the others trap.
    mapped: u64,
    /// Whether it raises an interrupt, an SPI.
    pub has_interrupt: bool,
}

/// The size of a device's registers in bytes.
#[derive(Debug)]
enum Size {
    Fixed(u64),
    PerVcpu(u64),
}

const DISTRIBUTOR_FACTS: KindFacts = KindFacts {
    name: "distributor",
    owned_name: "its distributor",
    start: DISTRIBUTOR,
    size: Size::Fixed(DISTRIBUTOR_SIZE),
    mapped: 0,
    has_interrupt: false,
};
const CPU_INTERFACE_FACTS: KindFacts = KindFacts {
    name: "GICC_DIR",
    owned_name: "its CPU interface",
    start: CPU_INTERFACE,
    size: Size::Fixed(CPU_INTERFACE_SIZE),
    mapped: PAGE_SIZE,
    has_interrupt: false,
};
const REDISTRIBUTORS_FACTS: KindFacts = KindFacts {
    name: "redistributors",
    owned_name: "its redistributors",
    start: REDISTRIBUTORS,
    size: Size::PerVcpu(REDISTRIBUTOR_SIZE),
    mapped: 0,
    has_interrupt: false,
};
const PL011_FACTS: KindFacts = KindFacts {
    name: "console",
    owned_name: "its PL011",
    start: CONSOLE,
    size: Size::Fixed(CONSOLE_SIZE),
    mapped: 0,
    has_interrupt: true,
};
const MONITOR_PL011_FACTS: KindFacts = KindFacts {
    name: "monitor",
    owned_name: "its monitor's PL011",
    start: MONITOR,
    size: Size::Fixed(CONSOLE_SIZE),
    mapped: 0,
    has_interrupt: true,
};
const WATCHDOG_FACTS: KindFacts = KindFacts {
    name: "watchdog",
    owned_name: "its watchdog",
    start: WATCHDOG_CONTROL,
    size: Size::Fixed(2 * WATCHDOG_FRAME_SIZE),
    mapped: 0,
    has_interrupt: true,
};

impl DeviceKind {
    /// Returns what all devices of this kind have in common.
    #[must_use]
    pub fn facts(self) -> &'static KindFacts {
        match self {
            Self::Distributor => &DISTRIBUTOR_FACTS,
            Self::CpuInterface => &CPU_INTERFACE_FACTS,
            Self::Redistributors => &REDISTRIBUTORS_FACTS,
            Self::Pl011 => &PL011_FACTS,
            Self::MonitorPl011 => &MONITOR_PL011_FACTS,
            Self::Watchdog { .. } => &WATCHDOG_FACTS,
        }
    }
}

impl PlannedDevice {
    /// Creates a device of a partition with this many vCPUs, without an interrupt.
    ///
    /// # Panics
    ///
    /// If its registers reach past the end of 64 bits, which no number of vCPUs that a partition
    /// can have leads to.
    #[must_use]
    pub fn new(kind: DeviceKind, vcpus: usize) -> Self {
        let KindFacts { start, ref size, .. } = *kind.facts();
        let size = match *size {
            Size::Fixed(size) => size,
            Size::PerVcpu(size) => size * vcpus as u64,
        };
        let registers = Region::new(start, size).expect("no device is near the end of 64 bits");
        Self { kind, registers, intid: None }
    }

    /// Returns the registers that are not mapped, so that accesses to them trap.
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
pub const MAX_DEVICES: usize = 5;

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
