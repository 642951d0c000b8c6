//! The messages (MSIs) of PCI Express functions: which functions can send some, the SPIs that their
//! guests have for them, and the tables of the ITS that takes them.
//!
//! A function can send messages if its partition's interrupts are trapped, if it is behind an SMMU,
//! which keeps it from writing anywhere else, and if its host bridge leads messages to a controller
//! that Bulkhead drives. One ITS is used, and one controller for all functions of a partition. A
//! frame of a GICv2m goes to one partition alone: who can write to it can raise all of its SPIs. All
//! other functions interrupt by their pins, and show no capability for messages.

use alloc::vec::Vec;

use super::memory::FreeMemory;
use super::message_plan::{ItsPlan, MessagePlan, PlannedSource};
use super::types::PartitionPlan;
use crate::arch::intid::{Interrupt, Intid};
use crate::boot::description::{Description, PartitionDescription, Result, refuse};
use crate::boot::machine::{Device, Machine, MessageKind};
use crate::boot::msi::layout::UNIT;
use crate::boot::msi::{Layout, MessageSource};
use crate::msi::frame::FrameSpis;
use crate::vgic::Delivery;

/// The first SPI of a guest's frame is a multiple of this: a function that sends several messages by
/// MSI changes the lower bits of the number (PCIe 7.7.1), at most five.
const SPI_ALIGN: u32 = 32;
/// A function has at most one message for each vCPU and this many more, or the next power of two.
const OTHERS: u32 = 7;
/// The largest number of messages of a partition.
const MOST: u32 = 256;

/// For each partition the controller that takes its functions' messages, if one does, as an index
/// into [`Machine::message_controllers`].
pub(super) struct Controllers(Vec<Option<usize>>);

impl Controllers {
    /// Chooses them. `passthrough` has the devices of each partition.
    ///
    /// # Errors
    ///
    /// If functions of two partitions are one to the ITS.
    pub fn choose(
        machine: &Machine,
        description: &Description,
        passthrough: &[Vec<Device>],
    ) -> Result<Self> {
        let mut chosen: Vec<Option<usize>> = Vec::new();
        let mut its = None;
        for (partition, devices) in description.partitions.iter().zip(passthrough) {
            let is_trapped =
                !machine.delivers_directly || description.delivery(partition) == Delivery::Trapped;
            let is_free = |controller: usize| match machine.message_controllers[controller].kind {
                MessageKind::Its(_) => its.is_none_or(|its| its == controller),
                MessageKind::Frame(_) => !chosen.contains(&Some(controller)),
            };
            let sources = devices.iter().filter_map(|device| source(machine, device));
            let mut sources = sources.map(|it| it.controller).filter(|_| is_trapped);
            let controller = sources.find(|controller| is_free(*controller));
            if let Some(controller) = controller
                && matches!(machine.message_controllers[controller].kind, MessageKind::Its(_))
            {
                its = Some(controller);
            }
            chosen.push(controller);
        }
        let chosen = Self(chosen);
        chosen.check(machine, description, passthrough)?;
        Ok(chosen)
    }

    /// Checks that no functions of two partitions have the same DeviceID.
    fn check(
        &self,
        machine: &Machine,
        description: &Description,
        passthrough: &[Vec<Device>],
    ) -> Result<()> {
        let mut seen: Vec<(MessageSource, usize, &Device)> = Vec::new();
        for (number, devices) in passthrough.iter().enumerate() {
            for device in devices {
                let Some(source) = self.source(machine, number, device) else { continue };
                let other = seen.iter().find(|it| it.0 == source && it.1 != number);
                if let Some((_, other, same)) = other {
                    let (path, id) = (&description.partitions[number].path, source.id);
                    refuse!(
                        path,
                        ": devices = \"{}\" sends messages as {id:#x}, as {} does, which {} owns: \
                         give both to the same partition",
                        device.path,
                        same.path,
                        description.partitions[*other].path
                    );
                }
                seen.push((source, number, device));
            }
        }
        Ok(())
    }

    /// Returns the source of a device's messages, if the device is a function that can send some for
    /// the partition with this number.
    pub fn source(
        &self,
        machine: &Machine,
        partition: usize,
        device: &Device,
    ) -> Option<MessageSource> {
        let controller = self.0.get(partition).copied().flatten();
        source(machine, device).filter(|it| Some(it.controller) == controller)
    }

    /// Returns one past the last SPI of the frames that are used, 0 if there are none: nothing but
    /// messages can have them.
    pub fn end_of_spis(&self, machine: &Machine) -> u32 {
        let used = self.0.iter().flatten().filter_map(|controller| {
            match machine.message_controllers[*controller].kind {
                MessageKind::Frame(spis) => Some(spis?.end()),
                MessageKind::Its(_) => None,
            }
        });
        used.max().unwrap_or(0)
    }

    /// Returns the plan of the messages of a partition, whose devices are `passthrough`, and which
    /// has these vCPUs and these interrupts; `None` if no function of it can send some.
    ///
    /// # Errors
    ///
    /// If too few SPIs are left.
    pub fn plan(
        &self,
        machine: &Machine,
        (number, partition): (usize, &PartitionDescription),
        vcpus: usize,
        passthrough: &[Device],
        interrupts: &[Interrupt],
    ) -> Result<Option<MessagePlan>> {
        let Some(index) = self.0.get(number).copied().flatten() else { return Ok(None) };
        let controller = &machine.message_controllers[index];
        let page = controller.page();
        let own = own_interrupts(machine);
        if let MessageKind::Frame(spis) = controller.kind {
            let plan = |spis| MessagePlan { controller: index, spis, page, is_virtual: false };
            return Ok(spis.and_then(|spis| free_part(spis, &own)).map(plan));
        }
        let sending = passthrough.iter().filter(|it| self.source(machine, number, it).is_some());
        let wanted = sending.filter_map(|device| Some(device.function.as_ref()?.messages()));
        let most = vcpus as u32 + OTHERS;
        let count = wanted.map(|it| it.min(most).next_power_of_two()).sum::<u32>().min(MOST);
        let mut blocks = (2..).map(|number| FrameSpis::new(number * SPI_ALIGN, count));
        // Bulkhead's own may arrive at the same CPU, which takes them for what they are.
        let used: Vec<_> = interrupts.iter().map(|it| it.intid).chain(own).collect();
        let is_free = |spis: &FrameSpis| used.iter().all(|it| !spis.contains(it.get()));
        // Past the last SPI there are none.
        let found = blocks.by_ref().map_while(|block| block).find(is_free);
        let Some(spis) = found else {
            refuse!(
                partition.path,
                ": devices leave no {count} SPIs in a row for the messages of its PCIe functions: \
                 give fewer devices"
            );
        };
        Ok(Some(MessagePlan { controller: index, spis, page, is_virtual: true }))
    }
}

/// Returns the source of a device's messages, if the device is a function that could send some.
fn source(machine: &Machine, device: &Device) -> Option<MessageSource> {
    let function = device.function.as_deref()?;
    let source = function.source.filter(|_| function.messages() > 0)?;
    let is_behind_smmu = !device.streams.is_empty();
    let takes = match machine.message_controllers.get(source.controller)?.kind {
        MessageKind::Its(features) => {
            let last = Intid::SPI_END - 1;
            features.is_ok_and(|it| Layout::new(&it, &[source.id], last, 1, 1).is_ok())
        }
        MessageKind::Frame(spis) => spis.is_some_and(|spis| {
            // What a function may raise must be nobody's, but an SMMU's, whose interrupts the CPU of
            // the function's partition takes then.
            let others = machine.devices.iter().filter(|device| !is_smmu(machine, device));
            let raised = others.flat_map(|device| &device.interrupts).map(|it| it.intid);
            let mut all = raised.chain(machine.console.as_ref().and_then(|it| it.interrupt));
            !all.any(|it| spis.contains(it.get()))
                && free_part(spis, &own_interrupts(machine)).is_some()
        }),
    };
    (is_behind_smmu && takes).then_some(source)
}

/// Returns whether a device is an SMMU that Bulkhead drives.
fn is_smmu(machine: &Machine, device: &Device) -> bool {
    machine.smmus.iter().any(|smmu| smmu.path == device.path)
}

/// Returns the SPIs of the SMMUs and of the console.
fn own_interrupts(machine: &Machine) -> Vec<Intid> {
    let known = machine.smmus.iter().flat_map(|smmu| [smmu.events, smmu.errors]).flatten();
    let smmus = machine.devices.iter().filter(|device| is_smmu(machine, device));
    let all = known.chain(smmus.flat_map(|device| device.interrupts.iter().copied()));
    let console = machine.console.as_ref().and_then(|console| console.interrupt);
    all.map(|interrupt| interrupt.intid).chain(console).collect()
}

/// Returns the most SPIs in a row of a frame of which none is among `own`, from its first one or from
/// a multiple of 16 on, since that is how GICv2m frames begin.
fn free_part(spis: FrameSpis, own: &[Intid]) -> Option<FrameSpis> {
    let behind = own.iter().map(|it| (it.get() + 1).next_multiple_of(16));
    let starts = behind.filter(|it| spis.contains(*it)).chain([spis.first.get()]);
    let part = |start: u32| {
        let next = own.iter().map(|it| it.get()).filter(|it| *it >= start).min();
        FrameSpis::new(start, spis.end().min(next.unwrap_or(u32::MAX)) - start)
    };
    starts.filter_map(part).max_by_key(|part| part.count)
}

/// Returns the plan of the ITS that takes messages of partitions, and takes memory for its tables. An
/// error about memory begins with the path `node`.
///
/// # Errors
///
/// If there are too many functions, or too little memory.
pub(super) fn its<'a>(
    machine: &'a Machine,
    partitions: &[PartitionPlan],
    memory: &mut FreeMemory<'a>,
    node: &str,
) -> Result<Option<ItsPlan>> {
    let mut plan: Option<(usize, Vec<PlannedSource>, Vec<usize>)> = None;
    let mut last_event = 0;
    for (number, partition) in partitions.iter().enumerate() {
        let messages = partition.messages.as_ref().filter(|messages| messages.is_virtual);
        let (Some(messages), Some(bus)) = (messages, &partition.pci) else { continue };
        let (_, sources, cpus) =
            plan.get_or_insert_with(|| (messages.controller, Vec::new(), Vec::new()));
        for device in bus.functions.iter().filter_map(|function| function.source) {
            if sources.iter().all(|it| it.device != device) {
                sources.push(PlannedSource { device, partition: number });
            }
        }
        cpus.extend(&partition.cpus);
        last_event = last_event.max(messages.spis.end() - 1);
    }
    let Some((controller, sources, cpus)) = plan else { return Ok(None) };
    let MessageKind::Its(Ok(features)) = machine.message_controllers[controller].kind else {
        return Ok(None);
    };
    let ids: Vec<_> = sources.iter().map(|source| source.device).collect();
    let layout = Layout::new(&features, &ids, last_event, cpus.len(), cpus.len());
    let Ok(layout) = layout else {
        refuse!(node, " has too many PCIe functions that send messages: give fewer of them");
    };
    let memory = memory.take_tables(node, layout.size, UNIT)?;
    Ok(Some(ItsPlan { controller, features, layout, memory, sources, cpus }))
}
