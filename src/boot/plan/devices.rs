//! The devices of the machine that are passed through to each partition, with their interrupts and
//! the pages of their registers.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ptr;

use super::regions::share_page;
use crate::arch::addr::{Pa, Region};
use crate::arch::intid::{Interrupt, Intid};
use crate::boot::description::{DeviceRequest, PartitionDescription, Result, refuse};
use crate::boot::machine::{Device, Gic, Machine, PmuInterrupts, Reach, Smmu};
use crate::util::nearest::nearest;

/// Returns the devices that are passed through to each partition.
///
/// # Errors
///
/// If a device does not exist, is Bulkhead's or has an owner, if it needs `dma = "unprotected"` or
/// `trusted-devices`, or if it shares a page or an interrupt with something that its partition does
/// not own.
pub(super) fn assign(
    machine: &Machine,
    partitions: &[PartitionDescription],
) -> Result<Vec<Vec<Device>>> {
    let owners = vec![None; machine.devices.len()];
    let mut devices = Owners { machine, reserved: reserved_registers(machine), owners };
    for partition in partitions {
        for request in partition.requests() {
            if let Err(why) = devices.assign(partition, request) {
                refuse!(partition.path, ": {} = \"{}\" {why}", request.property(), request.name);
            }
        }
    }
    // Devices that share a page must have one owner, which is known only once all are assigned.
    let mut assigned = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let mut own = Vec::new();
        for request in partition.requests() {
            let Some(index) = devices.find(request.name) else { continue };
            let mut device = machine.devices[index].clone();
            device.serves.retain(|path| !devices.owns(partition, path));
            let checked = devices.check(partition, &device);
            if let Err(why) = checked.and_then(|()| check_served(partition, request, &device)) {
                refuse!(partition.path, ": {} = \"{}\" {why}", request.property(), request.name);
            }
            own.push(device);
        }
        assigned.push(own);
    }
    Ok(assigned)
}

/// Checks that a device serves no node that its partition does not own, or that the description
/// trusts the partition with it. [`Device::serves`] has the nodes that the partition does not own.
fn check_served(
    partition: &PartitionDescription,
    request: DeviceRequest<'_>,
    device: &Device,
) -> Result<(), Refusal> {
    match device.serves.first() {
        Some(served) if !request.is_trusted && !partition.dma_unprotected => Err(format!(
            "serves {served}, which the partition does not own: give both to it, or this one by \
             trusted-devices"
        )),
        _ => Ok(()),
    }
}

/// Returns the interrupts of a partition with these CPUs, as indices into [`Machine::cpus`], and
/// these devices, by ascending INTID, each once: those of the devices, `of_virtio` ones, and the
/// SPIs of its CPUs' PMUs.
pub(super) fn interrupts(
    machine: &Machine,
    cpus: &[usize],
    devices: &[Device],
    of_virtio: impl Iterator<Item = Interrupt>,
) -> Vec<Interrupt> {
    let mut interrupts: Vec<Interrupt> = Vec::new();
    let mut add = |interrupt: Interrupt| {
        let found = interrupts.binary_search_by_key(&interrupt.intid, |other| other.intid);
        if let Err(index) = found {
            interrupts.insert(index, interrupt);
        }
    };
    devices.iter().flat_map(|device| &device.interrupts).copied().for_each(&mut add);
    of_virtio.for_each(&mut add);
    for cpu in cpus {
        let mpidr = machine.cpus[*cpu].mpidr;
        machine.pmus.iter().filter_map(|pmu| pmu.shared_interrupt(mpidr)).for_each(&mut add);
    }
    interrupts
}

/// Returns whether an interrupt is the SPI of a CPU's PMU, which goes with the CPU.
fn is_of_pmu(machine: &Machine, intid: Intid) -> bool {
    machine.pmus.iter().any(|pmu| match &pmu.interrupts {
        PmuInterrupts::Private(_) => false,
        PmuInterrupts::Shared(all) => all.iter().any(|(_, interrupt)| interrupt.intid == intid),
    })
}

/// Returns the registers that only Bulkhead may access.
pub(super) fn reserved_registers(machine: &Machine) -> Vec<Region<Pa>> {
    let mut reserved = Vec::new();
    match &machine.gic {
        Gic::V2 { distributor, cpu_interface, hypervisor, virtual_cpu_interface, .. } => {
            reserved.extend([distributor, cpu_interface, hypervisor, virtual_cpu_interface]);
        }
        Gic::V3 { distributor, redistributors, .. } => {
            reserved.push(*distributor);
            reserved.extend(redistributors);
        }
    }
    reserved.extend(machine.console.iter().map(|console| console.registers));
    reserved.extend(machine.watchdog);
    reserved.extend(machine.host_bridges.iter().map(|bridge| bridge.configuration));
    reserved.extend(machine.smmus.iter().map(|smmu| smmu.registers));
    reserved.extend(machine.message_controllers.iter().map(|it| it.registers));
    reserved
}

/// The owners of the machine's devices.
struct Owners<'a> {
    machine: &'a Machine,
    /// The registers that only Bulkhead may access.
    reserved: Vec<Region<Pa>>,
    /// For each device, the partition that owns it.
    owners: Vec<Option<&'a PartitionDescription>>,
}

/// Why a device is refused: the rest of a sentence that begins with its name.
type Refusal = String;

impl<'a> Owners<'a> {
    /// Returns the index of the device with this path or alias.
    fn find(&self, name: &str) -> Option<usize> {
        self.machine.devices.iter().position(|device| device.is_called(name))
    }

    /// Returns whether a partition owns the device that the node at `path` describes or belongs to.
    fn owns(&self, partition: &PartitionDescription, path: &str) -> bool {
        let is_owner = |owner: &Option<&PartitionDescription>| {
            owner.is_some_and(|owner| ptr::eq(owner, partition))
        };
        let devices = self.machine.devices.iter().zip(&self.owners);
        let mut own = devices.filter(|(_, owner)| is_owner(owner));
        own.any(|(device, _)| {
            let rest = path.strip_prefix(device.path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Assigns a device to the partition that requests it.
    fn assign(
        &mut self,
        partition: &'a PartitionDescription,
        request: DeviceRequest<'_>,
    ) -> Result<(), Refusal> {
        let name = request.name;
        let reserved = || Err(String::from("is used by Bulkhead and cannot be passed through"));
        let is_bridge = self.machine.host_bridges.iter().any(|bridge| bridge.path == name);
        if name == self.machine.gic_path || is_bridge {
            return reserved();
        }
        let Some(index) = self.find(name) else {
            if let Some(not) = self.machine.not_devices.iter().find(|not| not.name == name) {
                return Err(not.why.clone());
            }
            let devices = self.machine.devices.iter();
            let names = devices.flat_map(|it| it.aliases.iter().chain([&it.path]));
            return Err(match nearest(name.as_bytes(), &mut names.map(String::as_str)) {
                "" => String::from(
                    "is not a device that can be passed through: this machine has none",
                ),
                name => format!(
                    "is not a device that can be passed through; the nearest name is \"{name}\""
                ),
            });
        };
        let Device { path, registers, reach, streams, .. } = &self.machine.devices[index];
        let console = self.machine.console.as_ref();
        let shares = |reserved| registers.iter().any(|it| share_page(reserved, it));
        if console.is_some_and(|it| it.path == *path) || self.reserved.iter().any(shares) {
            return reserved();
        }
        if let Some(owner) = self.owners[index].replace(partition) {
            return Err(format!("is already given to {}", owner.path));
        }
        let way = match reach {
            Reach::Partition => return Ok(()),
            _ if partition.dma_unprotected => return Ok(()),
            // Its driver needs the physical addresses that this gives the partition.
            Reach::Memory => "give dma = \"unprotected\" to allow this",
            _ if request.is_trusted => return Ok(()),
            Reach::Channels | Reach::Machine(_) => "give it by trusted-devices to allow this",
            Reach::Unknown if !streams.is_empty() => {
                "give it by trusted-devices if it does not serve other devices"
            }
            Reach::Unknown => {
                "give it by trusted-devices if it neither masters the bus nor serves other devices, \
                 otherwise give dma = \"unprotected\""
            }
        };
        Err(format!("{reach}: {way}"))
    }

    /// Checks that each page of a device's registers belongs to its partition alone, and that
    /// nothing outside the partition raises its interrupts.
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
                    let way = "give both to the same partition";
                    return Err(format!("shares a page with {}, at {region}: {way}", other.path));
                }
            }
        }
        for Interrupt { intid, .. } in &device.interrupts {
            if intid.is_private() {
                let why = "which is private to each CPU: only SPIs can be passed through";
                return Err(format!("raises interrupt {intid}, {why}"));
            }
            if is_of_pmu(self.machine, *intid) {
                return Err(format!("raises interrupt {intid}, which a CPU's PMU raises too"));
            }
            let is_of_smmu = |smmu: &&Smmu| {
                [smmu.events, smmu.errors].iter().flatten().any(|it| it.intid == *intid)
            };
            if let Some(Smmu { path, .. }) = self.machine.smmus.iter().find(is_of_smmu) {
                return Err(format!(
                    "raises interrupt {intid}, which {path} of Bulkhead raises too"
                ));
            }
            let raises = |it: &Device| it.interrupts.iter().any(|it| it.intid == *intid);
            let mut owned = others().filter_map(|(other, owner)| Some((other, (*owner)?)));
            let (owner, path) = match (owned.find(|(other, _)| raises(other)), console) {
                (Some((other, owner)), _) => (&*owner.path, &other.path),
                (None, Some(it)) if it.interrupt == Some(*intid) => ("Bulkhead", &it.path),
                _ => continue,
            };
            let function = device.function.as_deref();
            let way = match function.map(|function| self.machine.free_slot(function)) {
                None => String::new(),
                Some(Some(slot)) => format!(": put one of them into another slot, such as {slot}"),
                Some(None) => String::from(": give both to one partition"),
            };
            return Err(format!(
                "raises interrupt {intid}, which {path} of {owner} raises too{way}"
            ));
        }
        Ok(())
    }
}
