//! Which devices a partition gets, and with them which interrupts and which pages of registers.

use alloc::string::String;
use alloc::vec::Vec;
use core::{fmt, ptr};

use super::description::PartitionDescription;
use super::error::PlanError;
use super::nearest::nearest;
use super::regions::share_page;
use crate::addr::{Pa, Region};
use crate::machine::{Device, Gic, Interrupt, Machine};

/// For each partition, its devices.
pub(super) fn assign(
    machine: &Machine,
    partitions: &[PartitionDescription],
) -> Result<Vec<Vec<Device>>, PlanError> {
    let mut devices = Devices { machine, own: bulkheads_own(machine), given: Vec::new() };
    for partition in partitions {
        for name in &partition.devices {
            devices.give(partition, name)?;
        }
    }
    // Only when all are given can it be told whether those that share a page are together.
    let mut assigned = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let mut own = Vec::new();
        for given in devices.given.iter().filter(|given| given.is_of(partition)) {
            devices.check_pages(given)?;
            devices.check_interrupts(given)?;
            own.push(given.device.clone());
        }
        assigned.push(own);
    }
    Ok(assigned)
}

/// The interrupts of `devices`, by ascending INTID and each once.
pub(super) fn interrupts(devices: &[Device]) -> Vec<Interrupt> {
    let mut interrupts: Vec<Interrupt> = Vec::new();
    for interrupt in devices.iter().flat_map(|device| &device.interrupts) {
        let found = interrupts.binary_search_by_key(&interrupt.intid, |other| other.intid);
        if let Err(index) = found {
            interrupts.insert(index, *interrupt);
        }
    }
    interrupts
}

/// The registers that Bulkhead keeps for itself.
fn bulkheads_own(machine: &Machine) -> Vec<Region<Pa>> {
    let mut own = match &machine.gic {
        Gic::V2 { distributor, cpu_interface, hypervisor, virtual_cpu_interface, .. } => {
            Vec::from([*distributor, *cpu_interface, *hypervisor, *virtual_cpu_interface])
        }
        Gic::V3 { distributor, redistributors, .. } => {
            let mut own = redistributors.clone();
            own.push(*distributor);
            own
        }
    };
    own.extend(machine.console.iter().map(|console| console.registers));
    own
}

/// A device given to a partition.
struct Given<'a> {
    partition: &'a PartitionDescription,
    /// What the description calls it.
    name: &'a str,
    device: &'a Device,
}

impl Given<'_> {
    fn is_of(&self, partition: &PartitionDescription) -> bool {
        ptr::eq(self.partition, partition)
    }

    fn refuse(&self, why: fmt::Arguments<'_>) -> Result<(), PlanError> {
        Err(refusal(self.partition, self.name, why))
    }
}

/// The error of the device that a partition calls `name`.
fn refusal(partition: &PartitionDescription, name: &str, why: fmt::Arguments<'_>) -> PlanError {
    PlanError::new(&partition.path, format_args!(": devices = \"{name}\" {why}"))
}

struct Devices<'a> {
    machine: &'a Machine,
    /// The registers that Bulkhead keeps for itself.
    own: Vec<Region<Pa>>,
    given: Vec<Given<'a>>,
}

impl<'a> Devices<'a> {
    fn give(
        &mut self,
        partition: &'a PartitionDescription,
        name: &'a str,
    ) -> Result<(), PlanError> {
        let own = format_args!("is Bulkhead's own and cannot be given away");
        if name == self.machine.gic_path {
            return Err(refusal(partition, name, own));
        }
        let given = Given { partition, name, device: self.find(partition, name)? };
        let Device { path, registers, dma, .. } = given.device;
        if self.machine.console.as_ref().is_some_and(|console| console.path == *path)
            || registers.iter().any(|one| self.own.iter().any(|own| share_page(own, one)))
        {
            return given.refuse(own);
        }
        if let Some(owner) = self.owner(path) {
            return given.refuse(format_args!("is given to {} already", owner.path));
        }
        if *dma && !partition.dma_unprotected {
            return given.refuse(format_args!(
                "can write to all memory by DMA: say dma = \"unprotected\" if this is what you want"
            ));
        }
        self.given.push(given);
        Ok(())
    }

    /// The device of this path or alias.
    fn find(&self, partition: &PartitionDescription, name: &str) -> Result<&'a Device, PlanError> {
        let devices = &self.machine.devices;
        let mut names = Vec::new();
        for device in devices {
            names.extend(device.aliases.iter().chain([&device.path]).map(String::as_str));
            if names.contains(&name) {
                return Ok(device);
            }
        }
        Err(match nearest(name, &mut names.into_iter()) {
            Some(nearest) => refusal(
                partition,
                name,
                format_args!("is no device that can be given; the nearest is \"{nearest}\""),
            ),
            None => refusal(
                partition,
                name,
                format_args!("is no device that can be given: this machine has none"),
            ),
        })
    }

    /// The partition that has the device at `path`.
    fn owner(&self, path: &str) -> Option<&'a PartitionDescription> {
        let given = self.given.iter().find(|given| given.device.path == path)?;
        Some(given.partition)
    }

    /// Checks that no page of a device's registers holds anything that is not its partition's.
    fn check_pages(&self, given: &Given<'_>) -> Result<(), PlanError> {
        for registers in &given.device.registers {
            if self.machine.memory.iter().any(|bank| share_page(bank, registers)) {
                return given.refuse(format_args!("has registers at {registers}, which is memory"));
            }
            for other in &self.machine.devices {
                let is_own = other.path == given.device.path
                    || self.owner(&other.path).is_some_and(|owner| given.is_of(owner));
                for region in &other.registers {
                    if !is_own && share_page(region, registers) {
                        return given.refuse(format_args!(
                            "shares a page with {}, at {region}: both must be given to one \
                             partition",
                            other.path
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks that the interrupts of a device can be given, and to its partition only.
    fn check_interrupts(&self, given: &Given<'_>) -> Result<(), PlanError> {
        let console = self.machine.console.as_ref().and_then(|console| console.interrupt);
        for Interrupt { intid, .. } in &given.device.interrupts {
            if intid.is_private() {
                return given.refuse(format_args!(
                    "raises interrupt {intid}, which every CPU has for itself: only SPIs can be \
                     given"
                ));
            }
            let other = self.given.iter().find(|other| {
                !other.is_of(given.partition)
                    && other.device.interrupts.iter().any(|other| other.intid == *intid)
            });
            let owner = match other {
                Some(other) => &other.partition.path,
                None if console == Some(*intid) => "Bulkhead",
                None => continue,
            };
            return given.refuse(format_args!("raises interrupt {intid}, which is {owner}'s"));
        }
        Ok(())
    }
}
