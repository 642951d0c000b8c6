//! Plans of a test machine and of descriptions that the tests modify.

mod accepted;
mod consoles;
mod copies;
mod disks;
pub(crate) mod dma;
mod functions;
mod links;
pub(crate) mod messages;
mod random;
mod refused;
mod shared_memory;
mod xen_domains;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;

use super::*;
use crate::arch::addr::{Bytes, Ipa, Pa, Region};
use crate::arch::intid::{Interrupt, Intid, Trigger};
use crate::boot::description::{CpuRequest, KernelDescription, PartitionDescription};
use crate::boot::fdt::{Tree, Writer};
use crate::boot::machine::{
    Conduit, ConsoleKind, ConsoleUart, CpuStart, Device, Gic, MachineCpu, NotADevice, Pmu,
    PmuInterrupts, Reach, Reserved, Seeds, Timer,
};
use crate::devices::planned::{DeviceKind, PlannedDevice, TrappedRegisters};
use crate::partition::lifecycle::Policy;
use crate::vgic::Delivery;

const MIB: u64 = 1 << 20;
/// The physical address of the tests' descriptions.
const BASE: Pa = Pa::new(0x4800_0000);

fn region(start: u64, size: u64) -> Region<Pa> {
    Region::new(Pa::new(start), size).unwrap()
}

/// A device that may be passed through, with at most one interrupt.
pub(crate) fn device(path: &str, registers: (u64, u64), interrupt: Option<u32>) -> Device {
    let interrupt = interrupt
        .map(|number| Interrupt { intid: Intid::new(number).unwrap(), trigger: Trigger::Level });
    Device {
        path: path.to_string(),
        aliases: Vec::new(),
        registers: vec![region(registers.0, registers.1)],
        interrupts: interrupt.into_iter().collect(),
        reach: Reach::Partition,
        serves: Vec::new(),
        streams: Vec::new(),
        function: None,
    }
}

/// A machine like QEMU `virt`: 4 CPUs, 2 GiB from 0x40000000, with Bulkhead near its start.
pub(crate) fn machine(gic: Gic) -> Machine {
    let cpu = |number| MachineCpu {
        mpidr: Mpidr::new(number),
        start: CpuStart::Psci,
        compatible: "arm,cortex-a53".to_string(),
    };
    let mut rtc = device("/pl031@9010000", (0x901_0000, 0x1000), Some(34));
    rtc.aliases.push("rtc0".to_string());
    let mut virtio = device("/virtio_mmio@a000000", (0xa00_0000, 0x200), Some(48));
    virtio.reach = Reach::Memory;
    let mut clocks = device("/clocks@c001000", (0xc00_1000, 0x1000), None);
    clocks.reach = Reach::Machine("steers the clocks of other devices");
    Machine {
        model: "test".to_string(),
        cpus: (0..4).map(cpu).collect(),
        memory: vec![region(0x4000_0000, 2048 * MIB)],
        reserved: vec![Reserved {
            region: region(0x4020_0000, 2 * MIB),
            owner: "Bulkhead".to_string(),
        }],
        gic,
        gic_path: "/intc@8000000".to_string(),
        timer: Timer {
            physical: Intid::ppi(14).unwrap(),
            virtual_: Intid::ppi(11).unwrap(),
            hypervisor: Intid::ppi(10).unwrap(),
            frequency: None,
            properties: Vec::new(),
        },
        psci: Some(Conduit::Smc),
        watchdog: Some(region(0xc00_0000, 0x100)),
        watchdogs: Vec::new(),
        pmus: Vec::new(),
        smmus: Vec::new(),
        message_controllers: Vec::new(),
        console: Some(ConsoleUart {
            path: "/pl011@9000000".to_string(),
            kind: ConsoleKind::Pl011,
            registers: region(0x900_0000, 0x1000),
            interrupt: Intid::new(33),
            settings: Vec::new(),
        }),
        devices: vec![
            device("/pl011@9000000", (0x900_0000, 0x1000), Some(33)),
            rtc,
            device("/pl061@9030000", (0x903_0000, 0x1000), Some(39)),
            virtio,
            clocks,
            device("/watchdog@c000000", (0xc00_0000, 0x100), None),
            device("/left@b000000", (0xb00_0000, 0x100), Some(60)),
            device("/right@b000100", (0xb00_0100, 0x100), Some(61)),
            device("/shares@b001000", (0xb00_1000, 0x100), Some(60)),
            device("/says-33@b002000", (0xb00_2000, 0x100), Some(33)),
            device("/private@b003000", (0xb00_3000, 0x100), Some(23)),
            device("/far@8000000000", (1 << 39, 0x1000), None),
            device("/in-frame@8000000", (0x80a_0000, 0x1000), None),
            device("/in-memory@50000000", (0x5000_0000, 0x1000), None),
            device("/gicd@8001000", (0x800_1000, 0x1000), None),
        ],
        host_bridges: Vec::new(),
        functions: Vec::new(),
        not_devices: Vec::new(),
        bootargs: String::new(),
        initrd: None,
        remarks: Vec::new(),
        free_interrupts: 0..0,
        delivers_directly: false,
        seeds: Seeds::None,
        id_aa64mmfr0: 0x1122,
    }
}

pub(crate) fn gic_v2() -> Gic {
    Gic::V2 {
        distributor: region(0x800_0000, 0x1_0000),
        cpu_interface: region(0x801_0000, 0x2000),
        hypervisor: region(0x803_0000, 0x1000),
        virtual_cpu_interface: region(0x804_0000, 0x2000),
        maintenance: Intid::ppi(9).unwrap(),
    }
}

pub(crate) fn gic_v3() -> Gic {
    Gic::V3 {
        // The guest's redistributors are elsewhere, so that a device can overlap only those.
        distributor: region(0x800_0000, 0x1_0000),
        redistributors: vec![region(0x1000_0000, 0x8_0000)],
        redistributor_stride: None,
        maintenance: Intid::ppi(9).unwrap(),
    }
}

/// A property's value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Cells(&'static [u32]),
    Text(&'static [&'static str]),
    Bytes(Vec<u8>),
    Nothing,
}
pub(crate) use Value::{Cells, Nothing, Text};

/// A node as plain data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) properties: Vec<(&'static str, Value)>,
    pub(crate) children: Vec<Spec>,
}

impl Spec {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: Value) -> Self {
        self.properties.retain(|(known, _)| *known != name);
        self.properties.push((name, value));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.properties.retain(|(known, _)| *known != name);
        self.children.retain(|child| child.name != name);
        self
    }

    pub(crate) fn child(mut self, child: Self) -> Self {
        self.children.retain(|known| known.name != child.name);
        self.children.push(child);
        self
    }

    fn write(&self, writer: &mut Writer) {
        writer.begin_node(self.name);
        for (name, value) in &self.properties {
            match value {
                Cells(cells) => writer.property_cells(name, cells),
                Text(texts) => writer.property_strings(name, texts),
                Value::Bytes(bytes) => writer.property(name, bytes),
                Nothing => writer.property_empty(name),
            }
        }
        for child in &self.children {
            child.write(writer);
        }
        writer.end_node();
    }

    pub(crate) fn tree(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }
}

pub(crate) fn image(name: &'static str, bytes: &[u8]) -> Spec {
    Spec::new(name).with("data", Value::Bytes(bytes.to_vec()))
}

/// A partition with the properties and nodes that every partition needs.
pub(crate) fn partition(name: &'static str) -> Spec {
    Spec::new(name)
        .with("cpus", Cells(&[1]))
        .with("memory", Cells(&[0, 0x100_0000]))
        .child(image("kernel", &[0; 0x1000]))
}

pub(crate) fn system(partitions: impl IntoIterator<Item = Spec>) -> Spec {
    let partitions = Spec { children: partitions.into_iter().collect(), ..Spec::new("partitions") };
    Spec::new("").with("compatible", Text(&["bulkhead,system"])).child(partitions)
}

/// The header of an arm64 Image.
fn arm64_header(text_offset: u64, size: u64, flags: u64) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[8..16].copy_from_slice(&text_offset.to_le_bytes());
    header[16..24].copy_from_slice(&size.to_le_bytes());
    header[24..32].copy_from_slice(&flags.to_le_bytes());
    header[56..60].copy_from_slice(b"ARM\x64");
    header
}

pub(crate) fn plan_on(machine: &Machine, system: &Spec) -> Result<Plan, PlanError> {
    let bytes = system.tree();
    let tree = Tree::new(&bytes)?;
    // All memory outside the description holds arm64 Images.
    let image = arm64_header(0, 0x2000, 0);
    let peek = |region: Region<Pa>| {
        let is_memory = machine.memory.iter().any(|bank| bank.covers(&region));
        is_memory.then_some(&*image)
    };
    let description = Description::read(&tree, tree.root(), BASE, &peek)?;
    Plan::new(machine, Mpidr::new(0), &description)
}

fn plan(system: &Spec) -> Plan {
    plan_on(&machine(gic_v2()), system).unwrap_or_else(|error| panic!("{error}"))
}
