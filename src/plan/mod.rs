//! The Plan: who owns which CPU, which memory, which device and which interrupt.
//!
//! It is computed once, from the [`Machine`] and the [`Description`], and it is all that the rest of
//! boot reads. What can be wrong with a description is found here, before any guest runs
//! ([`PlanError`]). A [`PartitionPlan`] is the one list of what a partition owns: its stage-2 tables
//! ([`PartitionPlan::mappings`]), its interrupt routing and its device tree all come from it, so
//! that they cannot disagree.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem::take;

use crate::addr::{Ipa, Pa, Region};
use crate::intid::Intid;
use crate::machine::{Device, Gic, Interrupt, Machine, Mpidr};
use crate::tables::tables_needed;
use load::Loaded;
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
pub use error::PlanError;
pub(crate) use error::refuse;
pub use image::Image;
pub use layout::{Frame, FrameKind, Mapping};
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
    pub kernel: LoadedImage,
    /// Its initial ramdisk.
    pub ramdisk: Option<LoadedImage>,
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

/// Where the bytes of a kernel or ramdisk are, and where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadedImage {
    /// The pristine bytes, which stay where they are.
    pub source: Region<Pa>,
    /// The memory it needs, at least as many bytes: the first byte goes to the start. A kernel is
    /// entered there.
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
        let Loaded { kernel, ramdisk, tree } = load::place(description, memory.guest)?;
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
            kernel,
            ramdisk,
            tree,
            bootargs: description.bootargs.clone(),
            count_hypervisor: description.count_hypervisor,
            dma_unprotected: description.dma_unprotected,
        })
    }

    /// All that stage 2 maps, by ascending IPA and without overlaps; in whole pages.
    #[must_use]
    pub fn mappings(&self) -> Vec<Mapping> {
        layout::mappings(self)
    }

    /// The frames that are emulated: they are not mapped, and Bulkhead answers for them.
    #[must_use]
    pub fn frames(&self) -> [Frame; 3] {
        layout::frames(self.gic, self.cpus.len())
    }
}

/// The SPI of the emulated PL011: the first from QEMU `virt`'s on that no device has.
fn console_interrupt(owned: &[Interrupt]) -> Intid {
    const VIRT: Intid = Intid::spi(1).unwrap();
    let mut spi = VIRT;
    // `owned` is ascending.
    for Interrupt { intid, .. } in owned {
        if *intid == spi {
            spi = Intid::new(spi.get() + 1).unwrap_or(VIRT);
        }
    }
    spi
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
        let Description { path, partitions: described } = description;
        let gic = GuestGic::of(machine);
        let mut cpus = cpus::assign(machine, boot_cpu, described)?;
        let mut devices = devices::assign(machine, described)?;
        let mut memory = Memory::new(machine, described);
        let places = memory.place(described, gic, &cpus, &devices)?;
        let mut partitions = Vec::with_capacity(described.len());
        let mut tables = 0;
        for (number, (described, memory)) in described.iter().zip(places).enumerate() {
            let Ok(vmid) = u8::try_from(number + 1) else {
                return refuse!(path, " holds more partitions than the 255 that can be told apart");
            };
            let (cpus, devices) = (take(&mut cpus[number]), take(&mut devices[number]));
            let plan = PartitionPlan::new(described, vmid, cpus, memory, devices, gic)?;
            let mappings = plan.mappings();
            let mappings = mappings.iter().map(|one| (one.ipa, one.pa, one.size));
            tables += tables_needed(mappings);
            partitions.push(plan);
        }
        Ok(Self { table_memory: memory.place_tables(path, tables)?, partitions })
    }
}

#[cfg(test)]
pub(crate) mod tests;
