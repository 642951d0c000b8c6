//! The hardware, as the firmware's device tree describes it.

mod console;
mod cpus;
mod devices;
mod error;
mod functions;
mod gic;
pub mod gic_registers;
mod known;
mod memory;
mod messages;
mod not_devices;
mod parts;
mod pmu;
mod ppi;
mod reach;
mod read;
mod remarks;
mod seeds;
mod smmu;
mod timer;
mod uarts;
mod watchdogs;
mod without;

#[cfg(test)]
mod tests;

pub use devices::{find_devices, free_interrupts};
pub use error::MachineError;
pub use functions::Open;
pub use messages::{MessageController, MessageKind};
pub use not_devices::NotADevice;
pub use reach::Reach;
pub(crate) use reach::is_user;
pub use read::Ends;
pub use seeds::firmware_seeds;
pub use smmu::{SMMU_REGISTERS, Smmu, Stream};
pub use watchdogs::BoardWatchdog;
pub use without::Without;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::arch::addr::{Pa, Region};
use crate::arch::intid::{Interrupt, Intid};
use crate::arch::mpidr::Mpidr;
use crate::boot::pci::{HostBridge, PciFunction};
use crate::util::uart::Spacing;

/// The machine that Bulkhead runs on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// `model` of the root node, or its first `compatible`.
    pub model: String,
    /// The CPUs, in the order of the tree.
    pub cpus: Vec<MachineCpu>,
    /// The memory banks in the order of the tree; none is empty and no two overlap.
    pub memory: Vec<Region<Pa>>,
    /// Memory that no partition may own.
    pub reserved: Vec<Reserved>,
    /// The interrupt controller.
    pub gic: Gic,
    /// The path of the interrupt controller's node, which cannot be passed through.
    pub gic_path: String,
    /// The SMMUs that Bulkhead drives.
    pub smmus: Vec<Smmu>,
    /// What takes the messages of PCI Express functions.
    pub message_controllers: Vec<MessageController>,
    /// The generic timer.
    pub timer: Timer,
    /// The conduit of the firmware's PSCI, if it has PSCI.
    pub psci: Option<Conduit>,
    /// The registers of the power management block (`brcm,bcm2835-pm`) whose watchdog can switch
    /// the machine off, if firmware cannot.
    pub watchdog: Option<Region<Pa>>,
    /// The watchdogs that firmware may have left running, as far as their state can be read.
    pub watchdogs: Vec<BoardWatchdog>,
    /// The PMUs of the CPUs: one with a private interrupt, or those with an SPI for each CPU.
    pub pmus: Vec<Pmu>,
    /// The UART that `/chosen/stdout-path` names.
    pub console: Option<ConsoleUart>,
    /// Every available node that has registers or interrupts, apart from CPUs, memory, buses, the
    /// timer and the GIC with the nodes below it. The console is among them. Empty until
    /// [`read_devices`](Self::read_devices).
    pub devices: Vec<Device>,
    /// The PCI host bridges of which a description names functions.
    pub host_bridges: Vec<HostBridge>,
    /// The functions below them, until [`read_devices`](Self::read_devices) moves them to
    /// [`devices`](Self::devices).
    pub functions: Vec<Device>,
    /// What a description names as devices and is none. Empty until
    /// [`explain_devices`](Self::explain_devices).
    pub not_devices: Vec<NotADevice>,
    /// `/chosen/bootargs`: Bulkhead's command line.
    pub bootargs: String,
    /// `/chosen/linux,initrd-start` to `-end`: the memory where the loader put the system
    /// description.
    pub initrd: Option<Region<Pa>>,
    /// The SPIs above those of all devices ([`free_interrupts`]), if the description needs some;
    /// otherwise `0..0`. The tree does not say which is the last: boot sets it.
    pub free_interrupts: Range<u32>,
    /// Whether the interrupt controller can deliver interrupts directly to guests. The tree does not
    /// say that: boot sets it.
    pub delivers_directly: bool,
    /// The seeds that the machine's entropy is enough for. The tree does not say that: boot sets it.
    pub seeds: Seeds,
    /// ID_AA64MMFR0_EL1 of the boot CPU, with the page sizes of stage 1. The tree does not say it:
    /// boot sets it.
    pub id_aa64mmfr0: u64,
    /// What is wrong with the tree but does not keep Bulkhead from running, a line each.
    pub remarks: Vec<String>,
}

impl Machine {
    /// Reserves a region, so that no partition owns memory in it.
    pub fn reserve(&mut self, region: Region<Pa>, owner: impl Into<String>) {
        let owner = owner.into();
        self.reserved.push(Reserved { region, owner });
    }
}

/// The random seeds in the tree of each guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Seeds {
    /// None: the machine has no source of entropy.
    #[default]
    None,
    /// `kaslr-seed` alone: the machine has little entropy.
    Kaslr,
    /// `kaslr-seed` and `rng-seed`.
    All,
}

/// One physical CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineCpu {
    /// The affinity: `reg` of its node.
    pub mpidr: Mpidr,
    /// The way to start it.
    pub start: CpuStart,
    /// `compatible` of its node, for the guest's tree.
    pub compatible: String,
}

/// The way to start a CPU: its `enable-method`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuStart {
    /// By the PSCI function CPU_ON.
    Psci,
    /// By writing an entry point to this address, which the CPU polls (`cpu-release-addr`).
    SpinTable(Pa),
    /// By a method that Bulkhead does not support: only the boot CPU can be used.
    Unknown,
}

/// Memory that no partition may own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The physical addresses.
    pub region: Region<Pa>,
    /// The name of the owner in messages: the path of a node, "Bulkhead", "the system description".
    pub owner: String,
}

/// The interrupt controller and its registers.
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
        /// The regions of redistributors: two frames of 64 KiB for each CPU, four with GICv4.
        redistributors: Vec<Region<Pa>>,
        /// The bytes from one CPU's redistributor to the next, if that is not the size of its
        /// frames.
        redistributor_stride: Option<u64>,
        /// The maintenance interrupt.
        maintenance: Intid,
    },
}

impl Gic {
    /// Returns all of its registers.
    fn registers(&self) -> Vec<Region<Pa>> {
        match self {
            Self::V2 { distributor, cpu_interface, hypervisor, virtual_cpu_interface, .. } => {
                [*distributor, *cpu_interface, *hypervisor, *virtual_cpu_interface].into()
            }
            Self::V3 { distributor, redistributors, .. } => {
                let mut all = redistributors.clone();
                all.push(*distributor);
                all
            }
        }
    }

    /// Returns the maintenance interrupt.
    pub fn maintenance(&self) -> Intid {
        match self {
            Self::V2 { maintenance, .. } | Self::V3 { maintenance, .. } => *maintenance,
        }
    }
}

/// The generic timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// The private interrupt of the EL1 physical timer.
    pub physical: Intid,
    /// That of the EL1 virtual timer.
    pub virtual_: Intid,
    /// That of the EL2 physical timer.
    pub hypervisor: Intid,
    /// `clock-frequency` in Hz, which firmware gives where it leaves CNTFRQ_EL0 unset.
    pub frequency: Option<u32>,
    /// The properties that a guest's node of the timer needs too: errata, the frequency, and
    /// whether the timer stops in suspend.
    pub properties: Vec<TimerProperty>,
}

impl Timer {
    /// Returns the frequency in Hz of a machine whose boot CPU has this CNTFRQ_EL0; `None` if
    /// nobody has set it. Only EL3 can write the register, if there is EL3.
    pub fn frequency(&self, cntfrq: u64) -> Option<u64> {
        // Bits 63:32 are reserved (Arm ARM D24.12).
        let cntfrq = cntfrq & 0xffff_ffff;
        Some(cntfrq).filter(|cntfrq| *cntfrq > 0).or(self.frequency.map(u64::from))
    }
}

/// A property of the timer's node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerProperty {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
}

/// The instruction that calls firmware.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduit {
    /// `smc #0`.
    Smc,
    /// `hvc #0`: unusable for Bulkhead, since HVC is taken to EL2.
    Hvc,
}

/// A Performance Monitors Unit of CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pmu {
    /// The bytes of `compatible` of its node.
    pub compatible: Vec<u8>,
    /// Its interrupts.
    pub interrupts: PmuInterrupts,
}

/// The interrupts of a PMU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PmuInterrupts {
    /// A PPI, which each CPU has.
    Private(Intid),
    /// An SPI for each of these CPUs; the owner of the CPU owns it.
    Shared(Vec<(Mpidr, Interrupt)>),
}

impl Pmu {
    /// Returns the SPI of this CPU, if it has one.
    pub fn shared_interrupt(&self, cpu: Mpidr) -> Option<Interrupt> {
        let PmuInterrupts::Shared(interrupts) = &self.interrupts else { return None };
        let (_, interrupt) = interrupts.iter().find(|(of, _)| *of == cpu)?;
        Some(*interrupt)
    }
}

/// A UART that Bulkhead can drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleUart {
    /// The path of the node, which cannot be passed through.
    pub path: String,
    /// The driver for it.
    pub kind: ConsoleKind,
    /// Its registers.
    pub registers: Region<Pa>,
    /// Its interrupt, if it has one.
    pub interrupt: Option<Intid>,
    /// The settings that switch it on, in this order; none if firmware has done that.
    pub settings: Vec<RegisterSetting>,
}

/// A change to a 32-bit register: `mask` selects the bits that get their value from `value`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegisterSetting {
    /// The register.
    pub register: Region<Pa>,
    /// The bits to change.
    pub mask: u32,
    /// The value of those bits, at their position in the register.
    pub value: u32,
}

/// The UARTs that Bulkhead has drivers for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsoleKind {
    /// Arm PrimeCell PL011 (`arm,pl011`).
    Pl011,
    /// The mini-UART of the BCM2835 and its successors (`brcm,bcm2835-aux-uart`).
    MiniUart,
    /// A 16550 (`ns16550a`).
    Ns16550(Spacing),
    /// That of DesignWare (`snps,dw-apb-uart`).
    DesignWare(Spacing),
    /// The UART of i.MX (`fsl,imx21-uart`).
    Imx,
    /// The UART of Zynq (`cdns,uart-r1p8`, `xlnx,xuartps`).
    Cadence,
    /// The UART of Amlogic's Meson (`amlogic,meson-gx-uart`).
    Meson,
    /// NXP's LPUART with 32-bit registers (`fsl,imx7ulp-lpuart`).
    Lpuart,
    /// Qualcomm's GENI (`qcom,geni-debug-uart`).
    Geni,
    /// Renesas's SCIF (`renesas,rcar-gen3-scif`).
    Scif,
}

/// A device of the machine that can be passed through to a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its full path.
    pub path: String,
    /// The names of `/aliases` that refer to it.
    pub aliases: Vec<String>,
    /// Its registers, translated to physical addresses.
    pub registers: Vec<Region<Pa>>,
    /// Its interrupts at the GIC.
    pub interrupts: Vec<Interrupt>,
    /// What its owner can affect; [`Reach::Unknown`] unless a description names it.
    pub reach: Reach,
    /// The paths of the nodes that it serves, by clocks, supplies, lines or interrupts; none unless
    /// a description names it.
    pub serves: Vec<String>,
    /// Its streams, if all of its accesses to memory pass SMMUs that Bulkhead drives; none unless a
    /// description names it.
    pub streams: Vec<Stream>,
    /// If it is a PCI Express function, what boot has found out about it. It then has no
    /// [`registers`](Self::registers) until the Plan has placed its memory.
    pub function: Option<Box<PciFunction>>,
}

impl Device {
    /// Returns whether this is its path or one of its aliases.
    pub fn is_called(&self, name: &str) -> bool {
        self.path == name || self.aliases.iter().any(|alias| alias == name)
    }
}
