//! Builds the device tree of a guest from its [`PartitionPlan`].

mod carried;
mod emulated;
mod passthrough;
mod shared_memory;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::fdt::{Tree, Writer};
use super::machine::{Gic, Machine, PmuInterrupts, Seeds};
use super::plan::PartitionPlan;
use crate::arch::addr::Bytes;
use crate::arch::intid::{Intid, Trigger};
use crate::arch::mpidr::Mpidr;
use crate::boot::description::{PlanError, refuse};

/// The secure timer's interrupt, which comes first in the binding and which no guest can use: PPI
/// 13, as in the Base System Architecture (DEN0094).
const SECURE_TIMER: Intid = Intid::ppi(13).unwrap();

/// The flags of an interrupt (binding `arm,gic`, third cell).
const EDGE_RISING: u32 = 1;
const LEVEL_HIGH: u32 = 4;
const LEVEL_LOW: u32 = 8;

/// The device tree of a guest.
pub struct GuestTree {
    /// The flattened tree, in which the random seeds are zeros.
    pub bytes: Vec<u8>,
    /// The places of the seeds in it. Whenever the guest is started, random numbers are written
    /// there, in the guest's memory.
    pub seeds: Vec<Range<usize>>,
    /// What passed-through devices lose, and why, a line each.
    pub remarks: Vec<String>,
}

/// Builds the tree of `partition`. `tree` is the machine's, which describes the passed-through
/// devices.
///
/// # Errors
///
/// If the tree is larger than the memory that the Plan has for it.
pub fn build(
    partition: &PartitionPlan,
    machine: &Machine,
    tree: &Tree<'_>,
) -> Result<GuestTree, PlanError> {
    // Devices keep their phandles, so the new ones must not be in the machine's tree.
    let mut phandles = (1..).filter(|phandle| tree.by_phandle(*phandle).is_none());
    let mut builder = Builder {
        writer: Writer::new(),
        remarks: Vec::new(),
        uncertain: Vec::new(),
        seeds: Vec::with_capacity(2),
        partition,
        machine,
        tree,
        gic: phandles.next().unwrap_or_default(),
        console_clock: phandles.next().unwrap_or_default(),
        message_frame: 0,
        shared_memory: Vec::new(),
        cpus: Vec::new(),
    };
    builder.shared_memory.extend(phandles.by_ref().take(partition.shared_memory.len()));
    if machine.pmus.iter().any(|pmu| matches!(pmu.interrupts, PmuInterrupts::Shared(_))) {
        builder.cpus.extend(phandles.by_ref().take(partition.cpus.len()));
    }
    if partition.messages.is_some() {
        builder.message_frame = phandles.next().unwrap_or_default();
    }
    builder.root();
    let bytes = builder.writer.finish();
    if bytes.len() as u64 > partition.tree.size() {
        let (size, most) = (bytes.len(), Bytes(partition.tree.size()));
        let why = "make the guest's device tree larger than";
        refuse!(partition.path, ": devices ({size} bytes) {why} {most}: give fewer devices");
    }
    Ok(GuestTree { bytes, seeds: builder.seeds, remarks: builder.remarks })
}

/// The state of a build.
struct Builder<'a> {
    writer: Writer,
    remarks: Vec<String>,
    /// The properties of the device that is written, and of what is below it, that may refer to
    /// nodes which the guest's tree lacks.
    uncertain: Vec<&'a str>,
    seeds: Vec<Range<usize>>,
    partition: &'a PartitionPlan,
    machine: &'a Machine,
    tree: &'a Tree<'a>,
    /// The phandle of the interrupt controller.
    gic: u32,
    /// The phandle of the PL011s' clock.
    console_clock: u32,
    /// The phandle of the frame for messages of PCI Express functions.
    message_frame: u32,
    /// The phandles of the memory that the partition shares.
    shared_memory: Vec<u32>,
    /// The phandles of the CPUs, if PMUs refer to them.
    cpus: Vec<u32>,
}

impl<'a> Builder<'a> {
    /// Writes the root node with all other nodes.
    fn root(&mut self) {
        let tree = &mut self.writer;
        tree.begin_node("");
        tree.property_str("model", &["Bulkhead partition ", &self.partition.name].concat());
        tree.property_strings("compatible", &["bulkhead,virt", "linux,dummy-virt"]);
        tree.property_u32("#address-cells", 2);
        tree.property_u32("#size-cells", 2);
        tree.property_u32("interrupt-parent", self.gic);
        self.aliases();
        self.chosen();
        self.memory_and_cpus();
        self.disks();
        self.shared_memory();
        self.emulated_devices();
        self.timer();
        self.pmus();
        let tree = &mut self.writer;
        tree.begin_node("psci");
        tree.property_strings("compatible", &["arm,psci-1.0", "arm,psci-0.2"]);
        tree.property_str("method", "hvc");
        tree.end_node();
        tree.begin_node("hypervisor");
        tree.property_str("compatible", "bulkhead,partition");
        tree.property_str("label", &self.partition.name);
        tree.end_node();
        self.passthrough();
        self.writer.end_node();
    }

    /// Writes `/chosen`: what the guest boots with.
    fn chosen(&mut self) {
        self.writer.begin_node("chosen");
        self.writer.property_str("bootargs", &self.partition.bootargs);
        self.stdout_path();
        let tree = &mut self.writer;
        if let Some(ramdisk) = &self.partition.ramdisk {
            tree.property_u64("linux,initrd-start", ramdisk.load.start().get());
            tree.property_u64("linux,initrd-end", ramdisk.load.end().get());
        }
        for (name, size) in seeds(self.machine.seeds) {
            self.seeds.push(tree.property_zeros(name, *size));
        }
        tree.end_node();
    }

    /// Writes the nodes of the memory and of the CPUs.
    fn memory_and_cpus(&mut self) {
        let memory = &self.partition.memory.guest;
        let tree = &mut self.writer;
        tree.begin_node(&at("memory", memory.start().get()));
        tree.property_str("device_type", "memory");
        tree.property_cells("reg", &reg(memory.start().get(), memory.size()));
        tree.end_node();
        tree.begin_node("cpus");
        tree.property_u32("#address-cells", 1);
        tree.property_u32("#size-cells", 0);
        for (number, cpu) in self.partition.cpus.iter().enumerate() {
            let affinity = Mpidr::of_vcpu(number).get();
            tree.begin_node(&at("cpu", affinity));
            tree.property_str("device_type", "cpu");
            tree.property_str("compatible", &self.machine.cpus[*cpu].compatible);
            tree.property_u32("reg", affinity as u32);
            tree.property_str("enable-method", "psci");
            if let Some(phandle) = self.cpus.get(number) {
                tree.property_u32("phandle", *phandle);
            }
            tree.end_node();
        }
        tree.end_node();
    }

    /// Writes the nodes of the disks, as the binding `pmem-region` asks. They are volatile: a guest
    /// need not clean its caches for them, because nothing of them is left when the machine is
    /// switched off. `label` and `read-only` are not in the binding, and Linux ignores them. Disks
    /// by virtio have other nodes.
    fn disks(&mut self) {
        let tree = &mut self.writer;
        for disk in &self.partition.disks {
            let Some(guest) = disk.guest() else { continue };
            let start = guest.start().get();
            tree.begin_node(&at("pmem", start));
            tree.property_str("compatible", "pmem-region");
            tree.property_cells("reg", &reg(start, guest.size()));
            tree.property_empty("volatile");
            tree.property_str("label", &disk.name);
            if disk.is_read_only {
                tree.property_empty("read-only");
            }
            tree.end_node();
        }
    }

    /// Writes the node of the generic timer, with what the machine's says about its errata and its
    /// frequency.
    fn timer(&mut self) {
        let machine = self.machine;
        let timer = &machine.timer;
        let interrupts = [SECURE_TIMER, timer.physical, timer.virtual_, timer.hypervisor];
        let interrupts = interrupts.map(|intid| self.interrupt(intid, LEVEL_LOW));
        self.writer.begin_node("timer");
        self.writer.property_str("compatible", "arm,armv8-timer");
        self.writer.property_cells("interrupts", interrupts.as_flattened());
        self.writer.property_empty("always-on");
        for property in &timer.properties {
            self.writer.property(&property.name, &property.value);
        }
        self.writer.end_node();
    }

    /// Writes the nodes of the PMUs, which the guest owns with its CPUs. One with SPIs has those of
    /// the guest's CPUs.
    fn pmus(&mut self) {
        for (number, pmu) in self.machine.pmus.iter().enumerate() {
            let (mut interrupts, mut affinities) = (Vec::new(), Vec::new());
            if let PmuInterrupts::Private(intid) = pmu.interrupts {
                interrupts.push(self.interrupt(intid, LEVEL_HIGH));
            }
            for (cpu, phandle) in self.partition.cpus.iter().zip(&self.cpus) {
                if let Some(spi) = pmu.shared_interrupt(self.machine.cpus[*cpu].mpidr) {
                    interrupts.push(self.interrupt(spi.intid, flags(spi.trigger)));
                    affinities.push(*phandle);
                }
            }
            if interrupts.is_empty() {
                continue;
            }
            let name = if number == 0 { String::from("pmu") } else { format!("pmu-{number}") };
            self.writer.begin_node(&name);
            self.writer.property("compatible", &pmu.compatible);
            self.writer.property_cells("interrupts", interrupts.as_flattened());
            if !affinities.is_empty() {
                self.writer.property_cells("interrupt-affinity", &affinities);
            }
            self.writer.end_node();
        }
    }

    /// Returns the three cells of an interrupt. Bits 15:8 of a PPI's flags are its CPUs on a GICv2.
    fn interrupt(&self, intid: Intid, flags: u32) -> [u32; 3] {
        if !intid.is_private() {
            return [0, intid.get() - Intid::SPI_START, flags];
        }
        let cpus = match self.machine.gic {
            Gic::V2 { .. } => 0xff_u32 >> 8_usize.saturating_sub(self.partition.cpus.len()),
            Gic::V3 { .. } => 0,
        };
        [1, intid.get().saturating_sub(Intid::SGI_END), cpus << 8 | flags]
    }
}

/// Returns the names and sizes of the properties with random numbers in `/chosen` (Devicetree
/// schema, `chosen.yaml`), each a multiple of 8 bytes.
const fn seeds(seeds: Seeds) -> &'static [(&'static str, usize)] {
    match seeds {
        Seeds::None => &[],
        Seeds::Kaslr => &[("kaslr-seed", 8)],
        Seeds::All => &[("kaslr-seed", 8), ("rng-seed", 64)],
    }
}

/// Returns the flags of an interrupt with this trigger.
fn flags(trigger: Trigger) -> u32 {
    match trigger {
        Trigger::Edge => EDGE_RISING,
        Trigger::Level => LEVEL_HIGH,
    }
}

/// Returns the name of a node with its unit address.
#[inline(never)]
fn at(name: &str, address: u64) -> String {
    let digits = (u64::BITS - address.leading_zeros()).div_ceil(4).max(1);
    let digit = |place: u32| char::from_digit((address >> (place * 4)) as u32 & 0xf, 16);
    let mut text = String::with_capacity(name.len() + 1 + digits as usize);
    text.push_str(name);
    text.push('@');
    text.extend((0..digits).rev().filter_map(digit));
    text
}

/// Returns an entry of `reg`.
fn reg(start: u64, size: u64) -> [u32; 4] {
    [start >> 32, start, size >> 32, size].map(|cell| cell as u32)
}
