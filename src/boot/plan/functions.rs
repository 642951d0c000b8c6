//! The PCI Express functions of each partition, and the window in which their memory is.
//!
//! A partition has one window of whole pages for all of its functions, at the lowest addresses of the
//! host bridge that nothing else has. Within it the largest memory comes first, so that each is
//! aligned to its size without a gap. A guest that places them anew, as Linux does, finds room for
//! all.

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::layout;
use super::memory::find;
use super::messages::Controllers;
use super::regions;
use super::types::{PlannedBus, PlannedFunction};
use crate::arch::addr::{Bytes, Ipa, PAGE_SIZE, Pa, Region};
use crate::boot::description::{PartitionDescription, Result, refuse};
use crate::boot::machine::{Device, Machine};
use crate::boot::msi::MessageSource;
use crate::boot::pci::{BusWindow, HostBridge, Kind, PciFunction, view};
use crate::devices::address_map::IPA_END;
use crate::devices::planned::PlannedDevice;
use crate::pci::DEVICES;
use crate::pci::port::GRANULE;

/// Returns the functions of each partition, and gives those among the devices that are passed through
/// to it the partition's window as their registers. `emulated` are its emulated devices.
///
/// # Errors
///
/// If a function cannot be passed through, if a partition has too many, or functions of two host
/// bridges, or functions that no window of a bridge can lead to together, or a function of a device
/// or behind a port of which another partition has one, or one that a port does not keep away from
/// those of others, or if their memory does not fit.
pub(super) fn place(
    machine: &Machine,
    partitions: &[PartitionDescription],
    emulated: &[Vec<PlannedDevice>],
    passthrough: &mut [Vec<Device>],
    controllers: &Controllers,
) -> Result<Vec<Option<PlannedBus>>> {
    let mut windows = Vec::new();
    let mut buses = Vec::with_capacity(partitions.len());
    for (number, partition) in partitions.iter().enumerate() {
        let functions = functions(&passthrough[number]);
        let Some((bridge, first)) = functions.first().and_then(|(_, function)| {
            Some((machine.host_bridges.get(function.bridge)?, function.bridge))
        }) else {
            buses.push(None);
            continue;
        };
        if functions.len() > usize::from(DEVICES) {
            refuse!(partition.path, " has more PCIe functions than a bus has devices, {DEVICES}");
        }
        for (device, function) in &functions {
            check(partition, device, function)?;
            if function.bridge != first {
                let other = &bridge.path;
                refuse_function(
                    partition,
                    device,
                    format_args!(
                        "is not below {other}, where other functions of the partition are: give those \
                     of one host bridge"
                    ),
                )?;
            }
            check_bus(partition, device, function, functions[0])?;
            check_device(partitions, passthrough, number, device, function)?;
            check_port(partitions, passthrough, number, device, function)?;
        }
        let used = layout::used(partition, &emulated[number], &passthrough[number])?;
        let window = window(bridge, &functions, &used, &windows);
        let window = window.or_else(|(needed, largest)| {
            let (needed, largest) = (Bytes(needed), Bytes(largest));
            refuse!(
                partition.path,
                " needs a window of {needed} for the memory of its PCIe functions: the largest \
                 that is free below {} has {largest}",
                bridge.path
            )
        })?;
        windows.push(window.region);
        let source = |device: &Device| controllers.source(machine, number, device);
        buses.push(Some(bus(bridge, &functions, window, &source)));
        for device in passthrough[number].iter_mut().filter(|it| it.function.is_some()) {
            device.registers = vec![window.region];
        }
    }
    Ok(buses)
}

/// Returns the functions among devices.
fn functions(devices: &[Device]) -> Vec<(&Device, &PciFunction)> {
    devices.iter().filter_map(|device| Some((device, device.function.as_deref()?))).collect()
}

/// Refuses a function, with the rest of the sentence.
fn refuse_function(
    partition: &PartitionDescription,
    device: &Device,
    why: core::fmt::Arguments<'_>,
) -> Result<()> {
    let request = partition.requests().find(|request| device.is_called(request.name));
    let property = request.map_or("devices", |request| request.property());
    refuse!(partition.path, ": {property} = \"{}\" {why}", device.path)
}

/// Checks that a function can be passed through.
fn check(partition: &PartitionDescription, device: &Device, function: &PciFunction) -> Result<()> {
    let refuse = |why| refuse_function(partition, device, why);
    match function.kind {
        Kind::Bridge => {
            refuse(format_args!("is a bridge, which stays Bulkhead's: give a function behind it"))
        }
        Kind::Unusable(fault) => {
            refuse(format_args!("{fault}, so that it cannot be passed through"))
        }
        Kind::Endpoint => Ok(()),
    }
}

/// Checks that a function is behind the same port of the host bridge as the `first` one of its
/// partition, or on the host bridge's own bus if that is. A port forwards the whole window, so that
/// nothing else can have addresses in it.
fn check_bus(
    partition: &PartitionDescription,
    device: &Device,
    function: &PciFunction,
    (first, of_first): (&Device, &PciFunction),
) -> Result<()> {
    if function.ports.first() == of_first.ports.first() {
        return Ok(());
    }
    let why = "is not behind the same port of the host bridge as";
    let way = "give one of them to another partition";
    refuse_function(partition, device, format_args!("{why} {}: {way}", first.path))
}

/// Checks that no other partition has a function of the same device or behind the same port, since
/// nothing keeps those apart: they can access each other without the host bridge.
fn check_device(
    partitions: &[PartitionDescription],
    passthrough: &[Vec<Device>],
    number: usize,
    device: &Device,
    function: &PciFunction,
) -> Result<()> {
    for (other, devices) in partitions.iter().zip(passthrough) {
        let is_beside = |it: &&Device| {
            let port = function.ports.first();
            let is_same = |it: &PciFunction| {
                let is_behind = port.is_some() && it.ports.first() == port;
                it.bridge == function.bridge
                    && (is_behind || it.address.is_beside(function.address))
            };
            it.function.as_deref().is_some_and(is_same)
        };
        let beside = devices.iter().find(is_beside);
        if let Some(beside) = beside.filter(|_| other.path != partitions[number].path) {
            let (path, owner) = (&beside.path, &other.path);
            refuse_function(
                &partitions[number],
                device,
                format_args!(
                    "is in the same device or behind the same port as {path} of {owner}: give both to \
                 one partition"
                ),
            )?;
        }
    }
    Ok(())
}

/// Checks that a function reaches no function of another partition before the SMMU sees that, and that
/// it has no ID of those: the port of the host bridge behind which it is has ACS. Unprotected DMA
/// reaches everything in any case.
fn check_port(
    partitions: &[PartitionDescription],
    passthrough: &[Vec<Device>],
    number: usize,
    device: &Device,
    function: &PciFunction,
) -> Result<()> {
    if function.is_isolated || partitions[number].dma_unprotected {
        return Ok(());
    }
    for (other, devices) in partitions.iter().zip(passthrough) {
        let is_below = |it: &PciFunction| it.bridge == function.bridge;
        let below = devices.iter().find(|it| it.function.as_deref().is_some_and(is_below));
        if let Some(below) = below.filter(|_| other.path != partitions[number].path) {
            let (path, owner) = (&below.path, &other.path);
            refuse_function(
                &partitions[number],
                device,
                format_args!(
                    "is behind a port without ACS, which does not keep it away from {path} of \
                     {owner}: give both to one partition, or choose another port"
                ),
            )?;
        }
    }
    Ok(())
}

/// Returns a window for functions, outside of those of other partitions and of what the partition
/// uses its addresses for.
///
/// # Errors
///
/// The number of bytes that are needed, and that of the largest window that is free.
fn window(
    bridge: &HostBridge,
    functions: &[(&Device, &PciFunction)],
    used: &[layout::Used<'_>],
    windows: &[Region<Pa>],
) -> Result<BusWindow, (u64, u64)> {
    let bars = || functions.iter().flat_map(|(_, function)| &function.bars);
    let sizes = bars().map(|bar| bar.size);
    let needed = sizes.fold(1_u64, u64::saturating_add).saturating_sub(1).max(PAGE_SIZE);
    let is_behind = functions.iter().any(|(_, function)| !function.ports.is_empty());
    let granule = if is_behind { GRANULE } else { PAGE_SIZE };
    let needed = needed.checked_next_multiple_of(granule).unwrap_or(u64::MAX);
    let align = bars().map(|bar| bar.size).max().unwrap_or(0).max(granule);
    let mut most = 0;
    for window in &bridge.windows {
        let mut free: Vec<_> = regions::whole_pages(&window.region).into_iter().collect();
        let past_end = Region::between(Ipa::new(IPA_END), Ipa::new(u64::MAX));
        for used in used.iter().map(|(used, _)| *used).chain(past_end) {
            if let Some(used) = Region::new(Pa::new(used.start().get()), used.size()) {
                regions::remove(&mut free, &used);
            }
        }
        windows.iter().for_each(|taken| regions::remove(&mut free, taken));
        // Aligned on the bus, which may have other addresses than a CPU.
        let same_as = window.region.start().get().wrapping_sub(window.bus);
        match find(&free, needed, same_as, align) {
            Ok(region) => return Ok(window.part(region)),
            Err(largest) => most = most.max(largest),
        }
    }
    Err((needed, most))
}

/// Returns the plan of functions with this window. `source` returns the source of a function's
/// messages, if it can send some.
fn bus(
    bridge: &HostBridge,
    functions: &[(&Device, &PciFunction)],
    window: BusWindow,
    source: &dyn Fn(&Device) -> Option<MessageSource>,
) -> PlannedBus {
    // For each memory its size, the index of its function, and its index there.
    let mut memory: Vec<(u64, usize, usize)> = Vec::new();
    for (index, (_, function)) in functions.iter().enumerate() {
        memory.extend(function.bars.iter().enumerate().map(|(bar, it)| (it.size, index, bar)));
    }
    memory.sort_by_key(|(size, ..)| Reverse(*size));
    let mut next = window.bus;
    let mut addresses: Vec<_> = functions.iter().map(|(_, it)| vec![0; it.bars.len()]).collect();
    for (size, function, bar) in memory {
        addresses[function][bar] = next;
        next += size;
    }
    let planned =
        |((device, function), addresses): (&(&Device, &PciFunction), &Vec<u64>)| PlannedFunction {
            path: device.path.clone(),
            address: function.address,
            view: view(function, addresses, source(device).is_some()),
            pin: function.pin,
            interrupt: device.interrupts.first().copied(),
            source: source(device).map(|source| source.id),
            reset: function.reset,
        };
    let mut ports: Vec<_> = functions.iter().flat_map(|(_, it)| it.ports.iter().copied()).collect();
    ports.sort();
    ports.dedup();
    PlannedBus {
        ports,
        configuration: bridge.configuration,
        first_bus: bridge.first_bus,
        window,
        is_coherent: bridge.is_coherent,
        functions: functions.iter().zip(&addresses).map(planned).collect(),
    }
}
