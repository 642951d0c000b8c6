//! The guest's device tree, read once at start.

mod parse;

use fdt::Fdt;
use spin::Once;

use crate::cpu::MAX_CPUS;

/// The most virtio devices that are read, ends of links and disks, and the most ends of memory.
const MAX_LINKS: usize = 8;

/// A region of memory.
#[derive(Clone, Copy, Default, Debug)]
pub struct Memory {
    /// Its first address.
    pub base: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// A disk (binding `pmem-region`).
#[derive(Clone, Copy, Default, Debug)]
pub struct Disk {
    /// Its name.
    pub name: &'static str,
    /// Its memory.
    pub memory: Memory,
}

/// The interrupt controller, with the addresses of its register frames.
#[derive(Clone, Copy, Debug)]
pub enum Gic {
    /// GICv2.
    V2 {
        /// The distributor.
        distributor: u64,
        /// The CPU interface.
        cpu_interface: u64,
    },
    /// GICv3.
    V3 {
        /// The distributor.
        distributor: u64,
        /// The first redistributor.
        redistributors: u64,
    },
}

/// The instruction that calls PSCI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduit {
    /// HVC.
    Hvc,
    /// SMC.
    Smc,
}

/// A watchdog (binding `arm,sbsa-gwdt`).
#[derive(Clone, Copy, Debug)]
pub struct Watchdog {
    /// The address of its control frame.
    pub control: u64,
    /// The address of its refresh frame.
    pub refresh: u64,
    /// The INTID of its first signal.
    pub interrupt: u32,
}

/// A real-time clock (binding `arm,pl031`).
#[derive(Clone, Copy, Debug)]
pub struct RealTimeClock {
    /// The address of its registers.
    pub registers: u64,
    /// The INTID of its alarm.
    pub interrupt: u32,
}

/// An end of a link, or a disk (binding `virtio,mmio`).
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The name of the link or of the disk.
    pub name: &'static str,
    /// The address of the registers of its device.
    pub registers: u64,
    /// The INTID of its device.
    pub interrupt: u32,
}

/// A PCI host bridge (binding `pci-host-ecam-generic`).
#[derive(Clone, Copy, Debug)]
pub struct Pci {
    /// The address of its configuration space.
    pub configuration: u64,
    /// The addresses for memory of its functions that 32 bits reach.
    pub window: Memory,
}

/// A frame of a GICv2m, to which functions send messages.
#[derive(Clone, Copy, Debug)]
pub struct MessageFrame {
    /// The address of its registers.
    pub registers: u64,
    /// The INTID of its first interrupt.
    pub first: u32,
    /// The number of its interrupts.
    pub count: u32,
}

/// Memory that the guest shares with other partitions, and its doorbell.
#[derive(Clone, Copy, Debug)]
pub struct SharedMemory {
    /// The name of the link.
    pub name: &'static str,
    /// The memory.
    pub memory: Memory,
    /// The address of the doorbell's registers.
    pub registers: u64,
    /// The INTID of the doorbell.
    pub interrupt: u32,
    /// The number of the guest's port.
    pub port: u32,
    /// The number of ports.
    pub ports: u32,
}

/// The machine or partition in which the guest runs.
pub struct Machine {
    /// The partition's name; `None` on a bare machine.
    pub partition: Option<&'static str>,
    /// The command line.
    pub arguments: &'static str,
    /// The interrupt controller.
    pub gic: Gic,
    /// The INTID of the virtual timer.
    pub virtual_timer: u32,
    /// The INTID of the EL1 physical timer.
    pub physical_timer: u32,
    /// The address of the PL011 of the console.
    pub uart: u64,
    /// The INTID of that PL011.
    pub uart_interrupt: u32,
    /// The address of the PL011 of the monitor, if there is one.
    pub monitor: Option<u64>,
    /// The INTID of the performance monitor, if there is one.
    pub pmu_interrupt: Option<u32>,
    /// The watchdog, if there is one.
    pub watchdog: Option<Watchdog>,
    /// The real-time clock, if there is one.
    pub real_time_clock: Option<RealTimeClock>,
    /// The PCI host bridge, if there is one.
    pub pci: Option<Pci>,
    /// The frame for messages of its functions, if there is one.
    pub message_frame: Option<MessageFrame>,
    /// The instruction that calls PSCI.
    pub psci: Conduit,
    /// The random seeds, which are empty if there are none: `kaslr-seed` and `rng-seed`.
    pub seeds: [&'static [u8]; 2],
    cpus: [u64; MAX_CPUS],
    cpu_count: usize,
    memory: [Memory; 4],
    memory_count: usize,
    links: [Option<Link>; MAX_LINKS],
    shared_memory: [Option<SharedMemory>; MAX_LINKS],
    disks: [Disk; 4],
    disk_count: usize,
}

static MACHINE: Once<Machine> = Once::new();

/// Returns the machine, which has been read before the guest's `main` begins.
pub fn machine() -> &'static Machine {
    MACHINE.get().expect("the tree is read at start")
}

/// Returns the machine, or `None` before the tree has been read.
pub(crate) fn machine_if_read() -> Option<&'static Machine> {
    MACHINE.get()
}

impl Machine {
    /// Returns the affinities of the CPUs, in the order of the tree.
    pub fn cpus(&self) -> &[u64] {
        &self.cpus[..self.cpu_count]
    }

    /// Returns the regions of memory, in the order of the tree.
    pub fn memory(&self) -> &[Memory] {
        &self.memory[..self.memory_count]
    }

    /// Returns the ends of links, then the disks by virtio, in the order of the tree.
    pub fn links(&self) -> [Option<Link>; MAX_LINKS] {
        self.links
    }

    /// Returns the end of the link with this name.
    pub fn link(&self, name: &str) -> Option<Link> {
        self.links.into_iter().flatten().find(|link| link.name == name)
    }

    /// Returns the memory that is shared with other partitions, in the order of the tree.
    pub fn shared_memory(&self) -> impl Iterator<Item = SharedMemory> + '_ {
        self.shared_memory.iter().copied().flatten()
    }

    /// Returns the disks, in the order of the tree.
    pub fn disks(&self) -> &[Disk] {
        &self.disks[..self.disk_count]
    }

    /// Returns the value of `key=value` on the command line, which is empty for a bare `key`.
    pub fn argument(&self, key: &str) -> Option<&'static str> {
        let mut words = self.arguments.split_ascii_whitespace();
        words.find_map(|word| {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            (name == key).then_some(value)
        })
    }

    /// Returns the number of `key=value`, decimal or with `0x`; `None` if there is none.
    pub fn number(&self, key: &str) -> Option<u64> {
        let value = self.argument(key)?;
        match value.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => value.parse().ok(),
        }
    }
}

/// Reads the tree at the address that the boot protocol gives.
pub(crate) fn read(address: *const u8) -> &'static Machine {
    // SAFETY: the boot protocol gives a valid tree in x0, in memory that is mapped and never
    // written.
    let tree = unsafe { Fdt::from_ptr(address) }.expect("x0 is not a device tree");
    MACHINE.call_once(|| parse::machine(&tree))
}
