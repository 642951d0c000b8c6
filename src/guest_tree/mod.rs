//! The device tree that a guest sees, made from its part of the [`crate::plan::Plan`].

mod device;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::addr::{Ipa, Region};
use crate::fdt::{Tree, Writer};
use crate::intid::{Intid, Trigger};
use crate::machine::{Interrupt, Machine, Mpidr};
use crate::plan::layout::{
    CONSOLE, CPU_INTERFACE, CPU_INTERFACE_SIZE, DISTRIBUTOR, DISTRIBUTOR_SIZE,
};
use crate::plan::{Frame, FrameKind, GuestGic, PartitionPlan, PlanError};

/// The clock of the emulated PL011, in Hz: what its stock drivers divide to get a baud rate.
const CONSOLE_CLOCK: u32 = 24_000_000;
/// The timer's secure interrupt, which the binding wants first and no guest can use: PPI 13 as on
/// every machine that follows the Base System Architecture.
const SECURE_TIMER: Intid = Intid::ppi(13).unwrap();

/// The bits of an interrupt's flags (binding `arm,gic`, third cell).
const EDGE_RISING: u32 = 1;
const LEVEL_HIGH: u32 = 4;
const LEVEL_LOW: u32 = 8;

/// A guest's tree.
pub struct GuestTree {
    /// The flattened tree.
    pub bytes: Vec<u8>,
    /// What its devices had to be given without, a line each.
    pub remarks: Vec<String>,
}

/// Writes the tree of `partition`. `tree` is the machine's own, which describes the devices.
///
/// # Errors
///
/// If the tree is larger than the room that the Plan has for it.
pub fn build(
    partition: &PartitionPlan,
    machine: &Machine,
    tree: &Tree<'_>,
) -> Result<GuestTree, PlanError> {
    // The devices keep their phandles, so two are needed that the machine's tree does not use.
    let mut phandles = (1..).filter(|phandle| tree.by_phandle(*phandle).is_none());
    let mut builder = Builder {
        writer: Writer::new(),
        remarks: Vec::new(),
        partition,
        machine,
        tree,
        gic: phandles.next().unwrap_or_default(),
        console_clock: phandles.next().unwrap_or_default(),
    };
    builder.root();
    let bytes = builder.writer.finish();
    partition.check_tree_size(bytes.len())?;
    Ok(GuestTree { bytes, remarks: builder.remarks })
}

struct Builder<'a> {
    writer: Writer,
    remarks: Vec<String>,
    partition: &'a PartitionPlan,
    machine: &'a Machine,
    tree: &'a Tree<'a>,
    /// The phandle of the interrupt controller.
    gic: u32,
    /// The phandle of the console's clock.
    console_clock: u32,
}

impl Builder<'_> {
    fn node(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.writer.begin_node(name);
        fill(self);
        self.writer.end_node();
    }

    fn root(&mut self) {
        self.node("", |root| {
            let model = format!("Bulkhead partition {}", root.partition.name);
            root.writer.property_str("model", &model);
            let compatible = ["bulkhead,virt", "linux,dummy-virt"];
            root.writer.property_strings("compatible", &compatible);
            root.cells(2, 2);
            root.writer.property_u32("interrupt-parent", root.gic);
            root.node("aliases", Self::aliases);
            root.node("chosen", Self::chosen);
            root.memory();
            root.node("cpus", Self::cpus);
            root.node("psci", Self::psci);
            root.node("timer", Self::timer);
            root.interrupt_controller();
            root.pmu();
            root.node("console-clock", Self::console_clock);
            root.node(&console_name(), Self::console);
            root.node("hypervisor", Self::hypervisor);
            root.devices();
        });
    }

    fn aliases(&mut self) {
        let console = format!("/{}", console_name());
        self.writer.property_str("serial0", &console);
    }

    fn chosen(&mut self) {
        let console = format!("/{}", console_name());
        self.writer.property_str("bootargs", &self.partition.bootargs);
        self.writer.property_str("stdout-path", &console);
        if let Some(ramdisk) = &self.partition.ramdisk {
            let (start, end) = (ramdisk.load.start(), ramdisk.load.end());
            self.writer.property_u64("linux,initrd-start", start.get());
            self.writer.property_u64("linux,initrd-end", end.get());
        }
        if let Some(seed) = self.seed() {
            self.writer.property("kaslr-seed", &seed);
        }
    }

    /// Random bits that firmware left for a kernel, other ones for each partition, so that none can
    /// tell another's addresses from its own; none once they are used up.
    fn seed(&self) -> Option<[u8; 8]> {
        let chosen = self.tree.node("/chosen")?;
        let seeds = ["kaslr-seed", "rng-seed"].into_iter();
        let seeds = seeds.filter_map(|name| chosen.property(name));
        let mut seeds = seeds.flat_map(|seed| seed.value.chunks_exact(8));
        seeds.nth(usize::from(self.partition.vmid) - 1)?.try_into().ok()
    }

    fn memory(&mut self) {
        let memory = self.partition.memory.guest;
        self.node(&format!("memory@{:x}", memory.start().get()), |node| {
            node.writer.property_str("device_type", "memory");
            node.reg(&[memory]);
        });
    }

    fn cpus(&mut self) {
        self.cells(1, 0);
        for (index, cpu) in self.partition.cpus.iter().enumerate() {
            let affinity = Mpidr::of_vcpu(index);
            let cpu = self.machine.cpus.get(*cpu);
            let compatible = cpu.map_or("arm,armv8", |cpu| &cpu.compatible);
            self.node(&format!("cpu@{:x}", affinity.get()), |node| {
                node.writer.property_str("device_type", "cpu");
                node.writer.property_str("compatible", compatible);
                node.writer.property_u32("reg", affinity.get() as u32);
                node.writer.property_str("enable-method", "psci");
            });
        }
    }

    fn psci(&mut self) {
        let compatible = ["arm,psci-1.0", "arm,psci-0.2"];
        self.writer.property_strings("compatible", &compatible);
        self.writer.property_str("method", "hvc");
    }

    fn timer(&mut self) {
        let timer = &self.machine.timer;
        let interrupts = [SECURE_TIMER, timer.physical, timer.virtual_, timer.hypervisor];
        let cells = interrupts.map(|intid| self.interrupt(intid, LEVEL_LOW));
        self.writer.property_str("compatible", "arm,armv8-timer");
        self.writer.property_cells("interrupts", cells.as_flattened());
        self.writer.property_empty("always-on");
    }

    fn interrupt_controller(&mut self) {
        self.node(&format!("interrupt-controller@{:x}", DISTRIBUTOR.get()), |node| {
            let frames = node.partition.frames();
            let of_cpus = match node.partition.gic {
                GuestGic::V2 { .. } => Region::new(CPU_INTERFACE, CPU_INTERFACE_SIZE),
                GuestGic::V3 => frame(&frames, FrameKind::Redistributors),
            };
            let compatible = match node.partition.gic {
                GuestGic::V2 { .. } => "arm,cortex-a15-gic",
                GuestGic::V3 => "arm,gic-v3",
            };
            let distributor = Region::new(DISTRIBUTOR, DISTRIBUTOR_SIZE);
            let regions: Vec<_> = distributor.into_iter().chain(of_cpus).collect();
            node.writer.property_str("compatible", compatible);
            node.reg(&regions);
            node.writer.property_empty("interrupt-controller");
            node.writer.property_u32("#interrupt-cells", 3);
            node.writer.property_u32("#address-cells", 0);
            node.writer.property_u32("phandle", node.gic);
        });
    }

    /// The PMU, if it has a private interrupt: it is the guest's with its CPUs.
    fn pmu(&mut self) {
        let found = self.tree.nodes().find_map(|node| {
            let is_pmu = |name: &str| name.starts_with("arm,") && name.contains("-pmu");
            let interrupts = node.compatible().any(is_pmu).then(|| node.interrupts())?;
            let ppi = interrupts.ok()?.into_iter().find(|one| one.intid.is_private())?;
            Some((node.property("compatible")?, ppi.intid))
        });
        let Some((compatible, intid)) = found else {
            return;
        };
        let cells = self.interrupt(intid, LEVEL_HIGH);
        self.node("pmu", |node| {
            node.writer.property("compatible", compatible.value);
            node.writer.property_cells("interrupts", &cells);
        });
    }

    fn console_clock(&mut self) {
        self.writer.property_str("compatible", "fixed-clock");
        self.writer.property_u32("#clock-cells", 0);
        self.writer.property_u32("clock-frequency", CONSOLE_CLOCK);
        self.writer.property_u32("phandle", self.console_clock);
    }

    fn console(&mut self) {
        let region = frame(&self.partition.frames(), FrameKind::Console);
        let cells = self.interrupt(self.partition.console_interrupt, LEVEL_HIGH);
        let clocks = [self.console_clock; 2];
        let compatible = ["arm,pl011", "arm,primecell"];
        self.writer.property_strings("compatible", &compatible);
        self.reg(region.as_slice());
        self.writer.property_cells("interrupts", &cells);
        self.writer.property_cells("clocks", &clocks);
        self.writer.property_strings("clock-names", &["uartclk", "apb_pclk"]);
    }

    fn hypervisor(&mut self) {
        self.writer.property_str("compatible", "bulkhead,partition");
        self.writer.property_str("label", &self.partition.name);
    }

    fn cells(&mut self, address: u32, size: u32) {
        self.writer.property_u32("#address-cells", address);
        self.writer.property_u32("#size-cells", size);
    }

    fn reg(&mut self, regions: &[Region<Ipa>]) {
        let numbers = regions.iter().flat_map(|region| [region.start().get(), region.size()]);
        let bytes: Vec<u8> = numbers.flat_map(u64::to_be_bytes).collect();
        self.writer.property("reg", &bytes);
    }

    /// An interrupt's three cells. A GICv2 wants to know a PPI's CPUs too: bits 15:8 of the flags.
    fn interrupt(&self, intid: Intid, flags: u32) -> [u32; 3] {
        if !intid.is_private() {
            return [0, intid.get() - Intid::SPI_START, flags];
        }
        let cpus = match self.partition.gic {
            GuestGic::V2 { .. } => 0xff_u32 >> 8_usize.saturating_sub(self.partition.cpus.len()),
            GuestGic::V3 => 0,
        };
        [1, intid.get().saturating_sub(Intid::SGI_END), cpus << 8 | flags]
    }

    /// An interrupt of a device: its three cells.
    fn device_interrupt(&self, interrupt: &Interrupt) -> [u32; 3] {
        let flags = match interrupt.trigger {
            Trigger::Edge => EDGE_RISING,
            Trigger::Level => LEVEL_HIGH,
        };
        self.interrupt(interrupt.intid, flags)
    }
}

fn console_name() -> String {
    format!("pl011@{:x}", CONSOLE.get())
}

fn frame(frames: &[Frame], kind: FrameKind) -> Option<Region<Ipa>> {
    let frame = frames.iter().find(|frame| frame.kind == kind);
    frame.map(|frame| frame.region)
}
