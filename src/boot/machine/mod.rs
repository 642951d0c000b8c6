//! What the hardware is, as the firmware's device tree tells it.

mod console;
mod cpus;
mod devices;
mod error;
mod gic;
mod memory;
mod parts;
mod ppi;
mod read;
mod remarks;
mod timer;
mod uarts;

#[cfg(test)]
mod tests;

pub use devices::free_interrupts;
pub use error::MachineError;

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::arch::addr::{Pa, Region};
use crate::arch::intid::{Interrupt, Intid};
use crate::arch::mpidr::Mpidr;

/// All that Bulkhead knows about the machine it runs on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// `model` of the root node, or its first `compatible`.
    pub model: String,
    /// The CPUs, in the order of the tree.
    pub cpus: Vec<MachineCpu>,
    /// Memory banks, as the tree lists them, none of them empty, no two of
    /// which overlap.
    pub memory: Vec<Region<Pa>>,
    /// Memory that no partition may have, with a word on why.
    pub reserved: Vec<Reserved>,
    /// The interrupt controller.
    pub gic: Gic,
    /// The node of the interrupt controller, which no partition may have.
    pub gic_path: String,
    /// The private interrupts of the generic timer.
    pub timer: TimerInterrupts,
    /// How firmware's PSCI is called, where there is one.
    pub psci: Option<Conduit>,
    /// The power management block whose watchdog switches the machine off (`brcm,bcm2835-pm`), if
    /// firmware cannot.
    pub watchdog: Option<Region<Pa>>,
    /// The performance monitors of the CPUs, if each has its own interrupt.
    pub pmu: Option<Pmu>,
    /// The UART that `/chosen/stdout-path` names.
    pub console: Option<ConsoleUart>,
    /// Once they have been read ([`read_devices`](Self::read_devices)), every available node that has
    /// registers or interrupts, apart from CPUs, memory, the GIC with all that belongs to it and the
    /// timer. The console is among them.
    pub devices: Vec<Device>,
    /// `/chosen/bootargs`: the machine's own command line.
    pub bootargs: String,
    /// `/chosen/linux,initrd-start` to `-end`: where the loader put the system description.
    pub initrd: Option<Region<Pa>>,
    /// The SPIs above those of all devices ([`free_interrupts`]), where interrupts can go to guests
    /// with no exit. The tree does not tell that: it is for boot to find out.
    pub free_interrupts: Range<u32>,
    /// What was odd about the tree and passed over, a line each.
    pub remarks: Vec<String>,
}

impl Machine {
    /// Keeps `region` from all partitions.
    pub fn reserve(&mut self, region: Region<Pa>, owner: impl Into<String>) {
        let owner = owner.into();
        self.reserved.push(Reserved { region, owner });
    }
}

/// One physical CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineCpu {
    /// Its affinity: `reg` of its node.
    pub mpidr: Mpidr,
    /// How it is started.
    pub start: CpuStart,
    /// `compatible` of its node, for the guest's tree.
    pub compatible: String,
}

/// `enable-method` of a CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuStart {
    /// PSCI's CPU_ON.
    Psci,
    /// The CPU polls this address for the place to go to (`cpu-release-addr`).
    SpinTable(Pa),
    /// A method that Bulkhead does not know: the CPU cannot be used unless it is the boot CPU.
    Unknown,
}

/// Memory that is spoken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Where it is.
    pub region: Region<Pa>,
    /// Whose it is, for messages: a node's path, or "Bulkhead", "the system description".
    pub owner: String,
}

/// The physical interrupt controller and its frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gic {
    /// GICv2 with the virtualization extensions (`arm,cortex-a15-gic`, `arm,gic-400`).
    V2 {
        /// GICD.
        distributor: Region<Pa>,
        /// GICC.
        cpu_interface: Region<Pa>,
        /// GICH.
        hypervisor: Region<Pa>,
        /// GICV.
        virtual_cpu_interface: Region<Pa>,
        /// The maintenance interrupt.
        maintenance: Intid,
    },
    /// GICv3 (`arm,gic-v3`).
    V3 {
        /// GICD.
        distributor: Region<Pa>,
        /// Runs of redistributors, two 64 KiB frames for each CPU (four with GICv4).
        redistributors: Vec<Region<Pa>>,
        /// Bytes from one CPU's redistributor to the next where that is not the frames' own size.
        redistributor_stride: Option<u64>,
        /// The maintenance interrupt.
        maintenance: Intid,
    },
}

impl Gic {
    /// The maintenance interrupt.
    pub fn maintenance(&self) -> Intid {
        match self {
            Self::V2 { maintenance, .. } | Self::V3 { maintenance, .. } => *maintenance,
        }
    }
}

/// The generic timer's private interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerInterrupts {
    /// EL1 physical timer.
    pub physical: Intid,
    /// EL1 virtual timer.
    pub virtual_: Intid,
    /// EL2 physical timer.
    pub hypervisor: Intid,
}

/// The instruction that calls firmware.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduit {
    /// `smc #0`.
    Smc,
    /// `hvc #0`: useless at EL2, where it calls Bulkhead itself.
    Hvc,
}

/// The performance monitors of the CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pmu {
    /// `compatible` of its node, as the tree has it.
    pub compatible: Vec<u8>,
    /// The private interrupt.
    pub interrupt: Intid,
}

/// A UART that Bulkhead can drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleUart {
    /// The node, which no partition may have.
    pub path: String,
    /// Which driver it takes.
    pub kind: ConsoleKind,
    /// Its registers.
    pub registers: Region<Pa>,
    /// Its interrupt, if the tree tells one.
    pub interrupt: Option<Intid>,
    /// What has to be set before it is used, in this order.
    pub settings: Vec<RegisterSetting>,
}

/// A change to a 32-bit register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegisterSetting {
    /// The register.
    pub register: Region<Pa>,
    /// The bits to change.
    pub mask: u32,
    /// What they become.
    pub value: u32,
}

/// The UARTs that Bulkhead has drivers for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsoleKind {
    /// Arm PrimeCell PL011 (`arm,pl011`).
    Pl011,
    /// The mini-UART of the BCM2835 and its successors (`brcm,bcm2835-aux-uart`).
    MiniUart,
}

/// A node of the machine's tree that can be given to a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its full path.
    pub path: String,
    /// Names that `/aliases` gives it.
    pub aliases: Vec<String>,
    /// Its registers, translated to physical addresses.
    pub registers: Vec<Region<Pa>>,
    /// Its interrupts at the GIC.
    pub interrupts: Vec<Interrupt>,
    /// What it has power over.
    pub reach: Reach,
}

/// What the owner of a device can do with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Nothing outside its partition.
    Partition,
    /// Read and write all memory: it masters the bus, past any stage 2.
    Memory,
    /// Change the clocks, power, pins or interrupts of the whole machine.
    Machine,
}
