//! Which devices a partition gets, and with them which interrupts and which pages of registers.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ptr;

use super::regions::share_page;
use crate::arch::addr::{Pa, Region};
use crate::arch::intid::Interrupt;
use crate::boot::description::PartitionDescription;
use crate::boot::description::{Result, refuse};
use crate::boot::machine::{Device, Gic, Machine, Reach};
use crate::util::nearest::nearest;

/// For each partition, its devices.
pub(super) fn assign(
    machine: &Machine,
    partitions: &[PartitionDescription],
) -> Result<Vec<Vec<Device>>> {
    let owners = vec![None; machine.devices.len()];
    let mut devices = Devices { machine, own: bulkheads_own(machine), owners };
    for partition in partitions {
        for name in &partition.devices {
            if let Err(why) = devices.give(partition, name) {
                refuse!(partition.path, ": devices = \"{name}\" {why}");
            }
        }
    }
    // Only when all are given can it be told whether those that share a page are together.
    let mut assigned = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let mut own = Vec::new();
        for name in &partition.devices {
            let Some(device) = devices.find(name).map(|index| &machine.devices[index]) else {
                continue;
            };
            if let Err(why) = devices.check(partition, device) {
                refuse!(partition.path, ": devices = \"{name}\" {why}");
            }
            own.push(device.clone());
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
pub(super) fn bulkheads_own(machine: &Machine) -> Vec<Region<Pa>> {
    let mut own = Vec::new();
    match &machine.gic {
        Gic::V2 { distributor, cpu_interface, hypervisor, virtual_cpu_interface, .. } => {
            own.extend([distributor, cpu_interface, hypervisor, virtual_cpu_interface]);
        }
        Gic::V3 { distributor, redistributors, .. } => {
            own.push(*distributor);
            own.extend(redistributors);
        }
    }
    own.extend(machine.console.iter().map(|console| console.registers));
    own.extend(machine.watchdog);
    own
}

struct Devices<'a> {
    machine: &'a Machine,
    /// The registers that Bulkhead keeps for itself.
    own: Vec<Region<Pa>>,
    /// For each device, the partition that has it.
    owners: Vec<Option<&'a PartitionDescription>>,
}

/// Why a device is refused: the end of the sentence that begins with its name.
type Refusal = String;

impl<'a> Devices<'a> {
    /// The device of this path or alias.
    fn find(&self, name: &str) -> Option<usize> {
        let is_called = |it: &Device| it.path == name || it.aliases.iter().any(|it| it == name);
        self.machine.devices.iter().position(is_called)
    }

    /// Gives a device to a partition.
    fn give(&mut self, partition: &'a PartitionDescription, name: &str) -> Result<(), Refusal> {
        let own = || Err(String::from("is Bulkhead's own and cannot be given away"));
        if name == self.machine.gic_path {
            return own();
        }
        let Some(index) = self.find(name) else {
            let devices = self.machine.devices.iter();
            let names = devices.flat_map(|it| it.aliases.iter().chain([&it.path]));
            return Err(match nearest(name.as_bytes(), &mut names.map(String::as_str)) {
                "" => String::from("is no device that can be given: this machine has none"),
                name => format!("is no device that can be given; the nearest is \"{name}\""),
            });
        };
        let Device { path, registers, reach, .. } = &self.machine.devices[index];
        let console = self.machine.console.as_ref();
        let shares = |own| registers.iter().any(|region| share_page(own, region));
        if console.is_some_and(|it| it.path == *path) || self.own.iter().any(shares) {
            return own();
        }
        if let Some(owner) = self.owners[index].replace(partition) {
            return Err(format!("is given to {} already", owner.path));
        }
        let power = match reach {
            Reach::Memory if !partition.dma_unprotected => "write to all memory by DMA",
            Reach::Machine if !partition.dma_unprotected => "change what other partitions use",
            _ => return Ok(()),
        };
        Err(format!("can {power}: say dma = \"unprotected\" if this is what you want"))
    }

    /// Checks that no page of a partition's device holds anything that is not the partition's, and
    /// that nobody else has its interrupts.
    fn check(&self, partition: &PartitionDescription, device: &Device) -> Result<(), Refusal> {
        let others = || {
            let devices = self.machine.devices.iter().zip(&self.owners);
            devices.filter(|(_, owner)| !owner.is_some_and(|owner| ptr::eq(owner, partition)))
        };
        let console = self.machine.console.as_ref();
        for registers in &device.registers {
            if self.machine.memory.iter().any(|bank| share_page(bank, registers)) {
                return Err(format!("has registers at {registers}, which is memory"));
            }
            for (other, _) in others() {
                if let Some(region) = other.registers.iter().find(|it| share_page(it, registers)) {
                    let way = "both must be given to one partition";
                    return Err(format!("shares a page with {}, at {region}: {way}", other.path));
                }
            }
        }
        for Interrupt { intid, .. } in &device.interrupts {
            if intid.is_private() {
                let why = "which every CPU has for itself: only SPIs can be given";
                return Err(format!("raises interrupt {intid}, {why}"));
            }
            let raises = |it: &Device| it.interrupts.iter().any(|it| it.intid == *intid);
            let mut owned = others().filter_map(|(other, owner)| Some((other, (*owner)?)));
            let (owner, path) = match (owned.find(|(other, _)| raises(other)), console) {
                (Some((other, owner)), _) => (&*owner.path, &other.path),
                (None, Some(it)) if it.interrupt == Some(*intid) => ("Bulkhead", &it.path),
                _ => continue,
            };
            return Err(format!("raises interrupt {intid}, as {owner}'s {path} does"));
        }
        Ok(())
    }
}
