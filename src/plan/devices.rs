//! Which devices a partition gets, and with them which interrupts and which pages of registers.

use alloc::string::String;
use alloc::vec::Vec;

use super::description::PartitionDescription;
use super::error::{PlanError, Problem, Value};
use super::nearest::nearest;
use super::regions;
use crate::addr::{Pa, Region};
use crate::machine::{Device, Gic, Interrupt, Machine};

/// The owner of what no partition can have, in messages.
const BULKHEAD: &str = "Bulkhead";

/// For each partition, its devices.
pub(super) fn assign(
    machine: &Machine,
    partitions: &[PartitionDescription],
) -> Result<Vec<Vec<Device>>, PlanError> {
    let mut devices = Devices { machine, partitions, given: Vec::new() };
    for (number, partition) in partitions.iter().enumerate() {
        for name in &partition.devices {
            let device = devices.give(number, name);
            device.map_err(|problem| refuse(partition, name, problem))?;
        }
    }
    // Only when all are given can it be told whether those that share a page are together.
    for given in &devices.given {
        let partition = &partitions[given.partition];
        let checked = devices.check_pages(given).and_then(|()| devices.check_interrupts(given));
        checked.map_err(|problem| refuse(partition, given.name, problem))?;
    }
    let of = |partition| {
        let own = devices.given.iter().filter(move |given| given.partition == partition);
        own.map(|given| given.device.clone()).collect()
    };
    Ok((0..partitions.len()).map(of).collect())
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

fn refuse(partition: &PartitionDescription, name: &str, problem: Problem) -> PlanError {
    partition.error("devices", Value::Text(String::from(name)), problem)
}

/// A device given to a partition.
struct Given<'a> {
    partition: usize,
    /// What the description calls it.
    name: &'a str,
    device: &'a Device,
}

struct Devices<'a> {
    machine: &'a Machine,
    partitions: &'a [PartitionDescription],
    given: Vec<Given<'a>>,
}

impl<'a> Devices<'a> {
    fn give(&mut self, partition: usize, name: &'a str) -> Result<(), Problem> {
        if name == self.machine.gic_path {
            return Err(Problem::BulkheadsOwn);
        }
        let device = self.find(name)?;
        let console = self.machine.console.as_ref();
        let mut own = bulkheads_own(self.machine);
        if console.is_some_and(|console| console.path == device.path)
            || own.any(|own| share_page(&own, &device.registers).is_some())
        {
            return Err(Problem::BulkheadsOwn);
        }
        if let Some(owner) = self.owner(device) {
            return Err(Problem::Owned(self.partitions[owner].path.clone()));
        }
        if device.dma && !self.partitions[partition].dma_unprotected {
            return Err(Problem::Dma);
        }
        self.given.push(Given { partition, name, device });
        Ok(())
    }

    /// The device of this path or alias.
    fn find(&self, name: &str) -> Result<&'a Device, Problem> {
        let devices = &self.machine.devices;
        let named = |device: &&Device| {
            device.path == name || device.aliases.iter().any(|alias| alias == name)
        };
        devices.iter().find(named).ok_or_else(|| {
            let names = devices.iter().flat_map(|device| {
                let aliases = device.aliases.iter();
                aliases.chain([&device.path]).map(String::as_str)
            });
            Problem::UnknownDevice(nearest(name, names).map(String::from))
        })
    }

    fn owner(&self, device: &Device) -> Option<usize> {
        let mut given = self.given.iter();
        let given = given.find(|given| given.device.path == device.path);
        given.map(|given| given.partition)
    }

    /// Checks that no page of a device's registers holds anything that is not its partition's.
    fn check_pages(&self, given: &Given<'_>) -> Result<(), Problem> {
        let registers = &given.device.registers;
        for bank in &self.machine.memory {
            if let Some(region) = share_page(bank, registers) {
                return Err(Problem::RegistersInMemory(region));
            }
        }
        let strangers = self.machine.devices.iter().filter(|other| {
            other.path != given.device.path && self.owner(other) != Some(given.partition)
        });
        for other in strangers {
            for region in &other.registers {
                if share_page(region, registers).is_some() {
                    return Err(Problem::SharedPage { region: *region, with: other.path.clone() });
                }
            }
        }
        Ok(())
    }

    /// Checks that the interrupts of a device can be given, and to its partition only.
    fn check_interrupts(&self, given: &Given<'_>) -> Result<(), Problem> {
        let console = self.machine.console.as_ref();
        for Interrupt { intid, .. } in &given.device.interrupts {
            if intid.is_private() {
                return Err(Problem::PrivateInterrupt(*intid));
            }
            let raises = |other: &&Given<'_>| {
                let mut interrupts = other.device.interrupts.iter();
                interrupts.any(|interrupt| interrupt.intid == *intid)
            };
            let mut others = self.given.iter().filter(|other| other.partition != given.partition);
            let owner = match others.find(raises) {
                Some(other) => &self.partitions[other.partition].path,
                None if console.and_then(|own| own.interrupt) == Some(*intid) => BULKHEAD,
                None => continue,
            };
            return Err(Problem::InterruptOwned { intid: *intid, owner: String::from(owner) });
        }
        Ok(())
    }
}

/// The registers that Bulkhead keeps for itself.
fn bulkheads_own(machine: &Machine) -> impl Iterator<Item = Region<Pa>> {
    let (frames, redistributors): (&[_], &[_]) = match &machine.gic {
        Gic::V2 { distributor, cpu_interface, hypervisor, virtual_cpu_interface, .. } => {
            (&[*distributor, *cpu_interface, *hypervisor, *virtual_cpu_interface], &[])
        }
        Gic::V3 { distributor, redistributors, .. } => (&[*distributor], redistributors),
    };
    let mut own = Vec::from(frames);
    own.extend_from_slice(redistributors);
    own.extend(machine.console.iter().map(|console| console.registers));
    own.into_iter()
}

/// The first of `registers` that has a byte in a page with `region`.
fn share_page(region: &Region<Pa>, registers: &[Region<Pa>]) -> Option<Region<Pa>> {
    let page = regions::pages(region)?;
    let shares =
        |other: &&Region<Pa>| regions::pages(other).is_some_and(|other| other.overlaps(&page));
    registers.iter().find(shares).copied()
}
