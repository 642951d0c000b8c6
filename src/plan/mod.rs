//! The Plan: who owns which CPU, which memory, which device and which interrupt.
//!
//! It is computed once, from the [`Machine`] and the [`Description`], and it is all that the rest of
//! boot reads. What can be wrong with a description is found here, before any guest runs
//! ([`PlanError`]). A [`PartitionPlan`] is the one list of what a partition owns: its stage-2 tables
//! ([`PartitionPlan::mappings`]), its interrupt routing and its device tree all come from it, so
//! that they cannot disagree.

use alloc::string::String;
use alloc::vec::Vec;

use crate::addr::{Ipa, Pa, Region};
use crate::intid::Intid;
use crate::machine::{Device, Gic, Interrupt, Machine, Mpidr};
use crate::tables::tables_needed;
use layout::AddressSpace;
use memory::Memory;

mod cpus;
mod description;
mod devices;
mod error;
mod fields;
mod image;
pub mod layout;
mod load;
mod memory;
mod nearest;
mod regions;
mod source;

pub use description::{CpuRequest, Description, KernelDescription, PartitionDescription};
pub use error::{PlanError, Problem, Value};
pub use image::Image;
pub use layout::{Frame, FrameKind, Mapping, MemoryKind};
pub use source::{ImageDescription, Peek};

/// What every partition gets. No two of them share anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The partitions, in the order of the description.
    pub partitions: Vec<PartitionPlan>,
    /// Memory for the stage-2 tables of all partitions, in whole pages: enough for the
    /// [`mappings`](PartitionPlan::mappings) of all of them with the largest leaves that alignment allows.
    pub table_memory: Region<Pa>,
}

/// What one partition gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionPlan {
    /// The path of its node in the description, for messages.
    pub path: String,
    /// Its name, as people see it.
    pub name: String,
    /// The VMID of its stage 2, from 1 on.
    pub vmid: u8,
    /// Its CPUs, as indices into [`Machine::cpus`]. The first one runs vCPU 0, which boots.
    pub cpus: Vec<usize>,
    /// Its memory.
    pub memory: GuestMemory,
    /// The devices given to it, each at its physical address.
    pub devices: Vec<Device>,
    /// The physical SPIs that are its own, by ascending INTID, each once.
    pub interrupts: Vec<Interrupt>,
    /// The interrupt controller it sees.
    pub gic: GuestGic,
    /// The INTID of its emulated PL011, an SPI that none of its devices has.
    pub console_interrupt: Intid,
    /// Its kernel.
    pub kernel: Kernel,
    /// Its initial ramdisk.
    pub ramdisk: Option<Ramdisk>,
    /// Where its device tree goes, and how large it may be.
    pub tree: Region<Ipa>,
    /// Its kernel's command line.
    pub bootargs: String,
    /// Whether its PMU may count what EL2 does on its CPUs (MDCR_EL2.HPMD = 0).
    pub count_hypervisor: bool,
    /// Whether it has devices whose DMA no stage 2 stops. Its memory is then identity-mapped.
    pub dma_unprotected: bool,
}

/// A partition's memory: `guest` and `host` have the same size, a multiple of the page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestMemory {
    /// Where the guest sees it.
    pub guest: Region<Ipa>,
    /// Where it is.
    pub host: Region<Pa>,
}

/// The interrupt controller that a partition sees: of the machine's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestGic {
    /// GICv2; the first page of its CPU interface is the machine's GICV frame.
    V2 {
        /// Where GICV is.
        virtual_cpu_interface: Pa,
    },
    /// GICv3.
    V3,
}

/// Where a kernel's bytes are, and where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The pristine bytes, which stay where they are.
    pub source: Region<Pa>,
    /// Where the first byte goes.
    pub load: Ipa,
    /// Where vCPU 0 enters: the first byte.
    pub entry: Ipa,
    /// How much of the memory from `load` on the kernel needs: never less than the source's size.
    pub size: u64,
}

/// Where a ramdisk's bytes are, and where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramdisk {
    /// The pristine bytes, which stay where they are.
    pub source: Region<Pa>,
    /// Where they go, page-aligned.
    pub load: Region<Ipa>,
}

impl PartitionPlan {
    fn new(
        description: &PartitionDescription,
        vmid: u8,
        cpus: Vec<usize>,
        memory: GuestMemory,
        devices: Vec<Device>,
        gic: GuestGic,
    ) -> Result<Self, PlanError> {
        let loaded = load::place(description, memory.guest)?;
        let interrupts = devices::interrupts(&devices);
        Ok(Self {
            path: description.path.clone(),
            name: description.name.clone(),
            vmid,
            cpus,
            memory,
            console_interrupt: console_interrupt(&interrupts),
            interrupts,
            devices,
            gic,
            kernel: loaded.kernel,
            ramdisk: loaded.ramdisk,
            tree: loaded.tree,
            bootargs: description.bootargs.clone(),
            count_hypervisor: description.count_hypervisor,
            dma_unprotected: description.dma_unprotected,
        })
    }

    /// Checks that a tree of `size` bytes has room where the Plan puts it.
    pub(crate) fn check_tree_size(&self, size: usize) -> Result<(), PlanError> {
        let most = self.tree.size();
        if size as u64 <= most {
            return Ok(());
        }
        let problem = Problem::TreeTooLarge(most);
        Err(PlanError::new(&self.path, "devices", Value::Bytes(size as u64), problem))
    }

    /// All that stage 2 maps, by ascending IPA and without overlaps; in whole pages.
    #[must_use]
    pub fn mappings(&self) -> Vec<Mapping> {
        layout::mappings(self)
    }

    /// The frames that are emulated: they are not mapped, and Bulkhead answers for them.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        layout::frames(&self.gic, self.cpus.len())
    }
}

/// The SPI of the emulated PL011: the first from QEMU `virt`'s on that no device has.
fn console_interrupt(owned: &[Interrupt]) -> Intid {
    const VIRT: Intid = Intid::spi(1).unwrap();
    let spis = (VIRT.get()..Intid::SPI_END).filter_map(Intid::new);
    let is_free = |intid: &Intid| owned.iter().all(|interrupt| interrupt.intid != *intid);
    spis.into_iter().find(is_free).unwrap_or(VIRT)
}

impl GuestGic {
    fn of(machine: &Machine) -> Self {
        match machine.gic {
            Gic::V2 { virtual_cpu_interface, .. } => {
                Self::V2 { virtual_cpu_interface: virtual_cpu_interface.start() }
            }
            Gic::V3 { .. } => Self::V3,
        }
    }
}

impl Plan {
    /// Divides `machine` as `description` says. `boot_cpu` is the CPU that runs this, the one that
    /// needs no starting.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with the description, on this machine.
    pub fn new(
        machine: &Machine,
        boot_cpu: Mpidr,
        description: &Description,
    ) -> Result<Self, PlanError> {
        let described = &description.partitions;
        let mut cpus = cpus::assign(machine, boot_cpu, described)?.into_iter();
        let devices = devices::assign(machine, described)?;
        let gic = GuestGic::of(machine);
        let mut spaces = Vec::with_capacity(described.len());
        for ((partition, devices), cpus) in described.iter().zip(&devices).zip(cpus.as_slice()) {
            let space = AddressSpace::new(&gic, cpus.len(), devices);
            spaces.push(space.map_err(|(device, problem)| {
                partition.error("devices", Value::Text(device.path.clone()), problem)
            })?);
        }
        let mut memory = Memory::new(machine, description);
        let mut places = memory.place(described, &spaces)?.into_iter();
        let mut partitions = Vec::with_capacity(described.len());
        for (partition, devices) in described.iter().zip(devices) {
            let (Some(cpus), Some(memory)) = (cpus.next(), places.next()) else {
                break;
            };
            let refuse = |_| PlanError::of_node(&description.path, Problem::TooManyPartitions);
            let vmid = u8::try_from(partitions.len() + 1).map_err(refuse)?;
            partitions.push(PartitionPlan::new(partition, vmid, cpus, memory, devices, gic)?);
        }
        let tables = partitions.iter().map(|plan| {
            let mappings = plan.mappings().into_iter();
            tables_needed(mappings.map(|mapping| (mapping.ipa, mapping.pa, mapping.size)))
        });
        let table_memory = memory.place_tables(tables.sum::<usize>() as u64);
        Ok(Self {
            table_memory: table_memory
                .map_err(|problem| PlanError::of_node(&description.path, problem))?,
            partitions,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
