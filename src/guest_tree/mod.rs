//! The device tree that a guest sees, made from its part of the [`crate::plan::Plan`].

mod device;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::addr::Bytes;
use crate::fdt::{Tree, Writer};
use crate::intid::Intid;
use crate::machine::{Machine, Mpidr};
use crate::plan::layout::{
    CONSOLE, CONSOLE_SIZE, CPU_INTERFACE, CPU_INTERFACE_SIZE, DISTRIBUTOR, DISTRIBUTOR_SIZE,
    REDISTRIBUTOR_SIZE, REDISTRIBUTORS,
};
use crate::plan::{GuestGic, PartitionPlan, PlanError, refuse};

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
    let (bytes, most) = (builder.writer.finish(), partition.tree.size());
    if bytes.len() as u64 > most {
        return refuse!(
            partition.path,
            ": devices ({} bytes) make the guest's device tree larger than {}: give fewer devices",
            bytes.len(),
            Bytes(most)
        );
    }
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

/// A property's value.
enum Value<'v> {
    /// Strings.
    Text(&'v [&'v str]),
    /// Cells; without any, the property says what it says by being there.
    Cells(&'v [u32]),
}
use Value::{Cells, Text};

impl Builder<'_> {
    #[inline(never)]
    fn properties(&mut self, properties: &[(&str, Value<'_>)]) {
        for (name, value) in properties {
            match value {
                Text(strings) => self.writer.property_strings(name, strings),
                Cells(cells) => self.writer.property_cells(name, cells),
            }
        }
    }

    /// A node without children.
    #[inline(never)]
    fn node(&mut self, name: &str, properties: &[(&str, Value<'_>)]) {
        self.writer.begin_node(name);
        self.properties(properties);
        self.writer.end_node();
    }

    fn root(&mut self) {
        let partition = self.partition;
        let name = partition.name.as_str();
        self.writer.begin_node("");
        self.properties(&[
            ("model", Text(&[&format!("Bulkhead partition {name}")])),
            ("compatible", Text(&["bulkhead,virt", "linux,dummy-virt"])),
            ("#address-cells", Cells(&[2])),
            ("#size-cells", Cells(&[2])),
            ("interrupt-parent", Cells(&[self.gic])),
        ]);
        self.console();
        let memory = partition.memory.guest;
        self.node(
            &at("memory", memory.start().get()),
            &[
                ("device_type", Text(&["memory"])),
                ("reg", Cells(&reg(memory.start().get(), memory.size()))),
            ],
        );
        self.cpus();
        self.node(
            "psci",
            &[("compatible", Text(&["arm,psci-1.0", "arm,psci-0.2"])), ("method", Text(&["hvc"]))],
        );
        self.timer();
        self.interrupt_controller();
        self.pmu();
        self.node(
            "hypervisor",
            &[("compatible", Text(&["bulkhead,partition"])), ("label", Text(&[name]))],
        );
        self.devices();
        self.writer.end_node();
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

    /// The console, its clock, and the nodes that name it.
    fn console(&mut self) {
        let name = at("pl011", CONSOLE.get());
        let path = format!("/{name}");
        self.node("aliases", &[("serial0", Text(&[&path]))]);
        self.writer.begin_node("chosen");
        self.properties(&[
            ("bootargs", Text(&[&self.partition.bootargs])),
            ("stdout-path", Text(&[&path])),
        ]);
        if let Some(ramdisk) = &self.partition.ramdisk {
            self.properties(&[
                ("linux,initrd-start", Cells(&two_cells(ramdisk.load.start().get()))),
                ("linux,initrd-end", Cells(&two_cells(ramdisk.load.end().get()))),
            ]);
        }
        if let Some(seed) = self.seed() {
            self.writer.property("kaslr-seed", &seed);
        }
        self.writer.end_node();
        self.node(
            "console-clock",
            &[
                ("compatible", Text(&["fixed-clock"])),
                ("#clock-cells", Cells(&[0])),
                ("clock-frequency", Cells(&[CONSOLE_CLOCK])),
                ("phandle", Cells(&[self.console_clock])),
            ],
        );
        let interrupt = self.interrupt(self.partition.console_interrupt, LEVEL_HIGH);
        self.node(
            &name,
            &[
                ("compatible", Text(&["arm,pl011", "arm,primecell"])),
                ("reg", Cells(&reg(CONSOLE.get(), CONSOLE_SIZE))),
                ("interrupts", Cells(&interrupt)),
                ("clocks", Cells(&[self.console_clock; 2])),
                ("clock-names", Text(&["uartclk", "apb_pclk"])),
            ],
        );
    }

    fn cpus(&mut self) {
        self.writer.begin_node("cpus");
        self.properties(&[("#address-cells", Cells(&[1])), ("#size-cells", Cells(&[0]))]);
        for (number, cpu) in self.partition.cpus.iter().enumerate() {
            let affinity = Mpidr::of_vcpu(number).get();
            self.node(
                &at("cpu", affinity),
                &[
                    ("device_type", Text(&["cpu"])),
                    ("compatible", Text(&[&self.machine.cpus[*cpu].compatible])),
                    ("reg", Cells(&[affinity as u32])),
                    ("enable-method", Text(&["psci"])),
                ],
            );
        }
        self.writer.end_node();
    }

    fn timer(&mut self) {
        let timer = &self.machine.timer;
        let interrupts = [SECURE_TIMER, timer.physical, timer.virtual_, timer.hypervisor];
        let interrupts = interrupts.map(|intid| self.interrupt(intid, LEVEL_LOW));
        self.node(
            "timer",
            &[
                ("compatible", Text(&["arm,armv8-timer"])),
                ("interrupts", Cells(interrupts.as_flattened())),
                ("always-on", Cells(&[])),
            ],
        );
    }

    fn interrupt_controller(&mut self) {
        let (compatible, of_cpus) = match self.partition.gic {
            GuestGic::V2 { .. } => {
                ("arm,cortex-a15-gic", reg(CPU_INTERFACE.get(), CPU_INTERFACE_SIZE))
            }
            GuestGic::V3 => {
                let size = self.partition.cpus.len() as u64 * REDISTRIBUTOR_SIZE;
                ("arm,gic-v3", reg(REDISTRIBUTORS.get(), size))
            }
        };
        let regions = [reg(DISTRIBUTOR.get(), DISTRIBUTOR_SIZE), of_cpus];
        self.node(
            &at("interrupt-controller", DISTRIBUTOR.get()),
            &[
                ("compatible", Text(&[compatible])),
                ("reg", Cells(regions.as_flattened())),
                ("interrupt-controller", Cells(&[])),
                ("#interrupt-cells", Cells(&[3])),
                ("#address-cells", Cells(&[0])),
                ("phandle", Cells(&[self.gic])),
            ],
        );
    }

    /// The PMU, if it has a private interrupt: it is the guest's with its CPUs.
    fn pmu(&mut self) {
        for node in self.tree.nodes() {
            let is_pmu = |name: &str| name.starts_with("arm,") && name.contains("-pmu");
            if node.compatible().any(is_pmu)
                && let Some(compatible) = node.property("compatible")
                && let Ok(interrupts) = node.interrupts()
                && let Some(ppi) = interrupts.iter().find(|one| one.intid.is_private())
            {
                let interrupt = self.interrupt(ppi.intid, LEVEL_HIGH);
                self.writer.begin_node("pmu");
                self.writer.property("compatible", compatible.value);
                self.writer.property_cells("interrupts", &interrupt);
                return self.writer.end_node();
            }
        }
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
}

/// A node's name with its unit address.
#[inline(never)]
fn at(name: &str, address: u64) -> String {
    format!("{name}@{address:x}")
}

fn two_cells(number: u64) -> [u32; 2] {
    [(number >> 32) as u32, number as u32]
}

/// An entry of `reg`.
fn reg(start: u64, size: u64) -> [u32; 4] {
    let ([high, low], [size_high, size_low]) = (two_cells(start), two_cells(size));
    [high, low, size_high, size_low]
}
