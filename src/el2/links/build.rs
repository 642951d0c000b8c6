//! Building the links of a Plan, and partitions' virtio devices. Only boot runs this.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bulkhead::arch::addr::{Ipa, Region};
use bulkhead::arch::intid::Interrupt;
use bulkhead::boot::plan::{
    LinkPlan, LinkPort, PartitionPlan, Plan, PlannedDisk, SharedMemoryPlan, SharedMemoryPort,
    VirtioDisk,
};
use bulkhead::devices::doorbell;
use bulkhead::devices::planned::MAX_VIRTIO_DEVICES;
use bulkhead::virtio::disk::{Disk, id};
use bulkhead::virtio::link::{Forward, Kind, Lane, PortCounters};
use bulkhead::virtio::notices::Notices;
use bulkhead::virtio::personality::{Personality, RECEIVE, SECTOR_SIZE, TRANSMIT};
use bulkhead::virtio::registers::Registers;
use bulkhead::virtio::signals::Signals;
use bulkhead::virtio::terminal::Terminal;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use super::concern::Concern;
use super::console::{State as ConsoleState, VirtioConsole};
use super::device::{Console, Device, Devices};
use super::disk::DiskDevice;
use super::doorbell::{Doorbell, OwnDoorbells, SharedDoorbells};
use super::lane::SharedLane;
use super::link::{Link, Links};
use super::memory::DiskMemory;
use super::port::Port;
use super::port_state::State;
use super::shared_port::SharedPort;
use super::socket::SocketLink;
use crate::el2::arch::sync::{Mutex, SetOnce};
use crate::el2::console::Port as ConsolePort;
use crate::el2::drivers::gic::Gic;
use crate::el2::mm::fill::PartitionMemory;
use crate::el2::partition::{
    DeviceHead, DeviceHeads, Doorbells, LinkPorts, NotifiedQueue, Partition, line_limit,
};

impl Links {
    /// Returns the links of a Plan.
    pub fn new(plan: &Plan, gic: &'static Gic) -> &'static Self {
        let link = |(number, link): (usize, &LinkPlan)| Link::new(number, link, plan, gic);
        let links = plan.links.iter().enumerate().map(link).collect();
        let shared = plan.shared_memory.iter().enumerate();
        let doorbells = shared.map(|(number, it)| SharedDoorbells::new(number, it, plan, gic));
        Box::leak(Box::new(Self(links, doorbells.collect())))
    }

    /// Sets the partitions, before the first guest starts.
    pub fn set_partitions(&self, partitions: &'static [Partition]) {
        for partition in partitions {
            for end in &partition.plan.links {
                self.0[end.link].ports[usize::from(end.port)].partition.set(partition);
            }
        }
        for link in &self.0 {
            let memory = |port: &SharedPort| port.partition.get().map(|it| &it.memory);
            link.memories.set(link.ports.iter().filter_map(memory).collect());
        }
    }
}

/// Returns a partition's virtio devices. `links` are those of the machine, if there are any,
/// `memory` and `port` are the partition's, and `contents` are its disks that are such devices, in
/// their order.
// Not inlined, so that the devices are not on the stack of the caller too.
#[inline(never)]
pub fn devices(
    links: Option<&'static Links>,
    plan: &PartitionPlan,
    memory: PartitionMemory,
    contents: Vec<DiskMemory>,
    port: &'static ConsolePort,
    gic: &'static Gic,
) -> Box<dyn LinkPorts> {
    let mut devices: Vec<Box<dyn Device>> = Vec::with_capacity(MAX_VIRTIO_DEVICES);
    let mut heads: DeviceHeads = [None; MAX_VIRTIO_DEVICES];
    let mut add = |device: Box<dyn Device>, head| {
        if let Some(place) = heads.get_mut(devices.len()) {
            *place = Some(&*Box::leak(Box::new(head)));
        }
        devices.push(device);
    };
    for end in &plan.links {
        let Some(links) = links else { continue };
        let port = Port::new(links, end);
        let head = port.head();
        add(Box::new(port), head);
    }
    for (disk, contents) in plan.virtio_disks().zip(contents) {
        let disk = DiskDevice::new(plan, disk, memory, contents, gic);
        let disk: &'static DiskDevice = Box::leak(Box::new(disk));
        add(Box::new(disk), disk.head());
    }
    let mut console: Option<&'static dyn Console> = None;
    if let Some(interrupt) = plan.virtio_console {
        let device = VirtioConsole::new(memory, port, gic, interrupt);
        let device: &'static VirtioConsole = Box::leak(Box::new(device));
        add(Box::new(device), device.head());
        console = Some(device);
    }
    let heads = Box::leak(Box::new(heads));
    Box::new(Devices { devices, console, heads, visits: AtomicUsize::new(0) })
}

/// Returns the doorbells of the memory that a partition shares.
pub fn doorbells(links: &'static Links, plan: &PartitionPlan) -> Box<dyn Doorbells> {
    let doorbells = plan.shared_memory.iter().map(|memory| Doorbell::new(links, memory));
    Box::new(OwnDoorbells(doorbells.collect()))
}

impl Link {
    /// Returns a link of the Plan, whose drivers do not work yet.
    fn new(number: usize, link: &LinkPlan, plan: &Plan, gic: &'static Gic) -> Self {
        let port = |partition: &usize| {
            let ports = &plan.partitions.get(*partition)?.links;
            ports.iter().find(|it| it.link == number)
        };
        let ports: Vec<_> = link.partitions.iter().filter_map(port).collect();
        let addresses: Vec<_> = ports.iter().map(|port| port.personality.address()).collect();
        let lanes = Lane::of_link(link.kind, &addresses);
        let shared_port = |(number, port): (u8, &&LinkPort)| {
            let counters = lanes.iter().find_map(|lane| lane.counters(number));
            SharedPort::new(port, counters.unwrap_or_default(), gic)
        };
        let ports = (0..).zip(&ports).map(shared_port).collect();
        Self {
            name: link.name.clone(),
            kind: link.kind,
            lanes: lanes.into_iter().map(shared_lane).collect(),
            ports,
            memories: SetOnce::new(),
            ready: AtomicU64::new(0),
            forward: Forward::of(link.kind),
            socket: (link.kind == Kind::Socket).then_some(SocketLink::NEW),
            gic,
        }
    }
}

/// Returns a lane as CPUs share it.
fn shared_lane(lane: Lane) -> SharedLane {
    SharedLane { notices: Notices::default(), changed: AtomicU64::new(0), lane: Mutex::tried(lane) }
}

impl SharedPort {
    /// Returns a port of the Plan, whose driver does not work yet.
    fn new(port: &LinkPort, counters: Arc<PortCounters>, gic: &Gic) -> Self {
        let interrupt = port.interrupt.expect("the Plan gives each port an interrupt");
        Self {
            partition: SetOnce::new(),
            interrupt: gic.pending_bit(interrupt.intid),
            signals: Signals::default(),
            queues: Mutex::new(None),
            lost_peer: AtomicBool::new(false),
            counters,
            lines: Mutex::new(line_limit()),
        }
    }
}

impl SharedDoorbells {
    /// Returns the doorbells of the shared memory with this number in the Plan.
    fn new(number: usize, memory: &SharedMemoryPlan, plan: &Plan, gic: &Gic) -> Self {
        let interrupt = |partition: &usize| {
            let mut ports = plan.partitions.get(*partition)?.shared_memory.iter();
            let interrupt = ports.find(|it| it.memory == number)?.interrupt?;
            Some(gic.pending_bit(interrupt.intid))
        };
        let interrupts: Vec<_> = memory.partitions.iter().filter_map(interrupt).collect();
        Self { doorbells: doorbell::Doorbells::new(interrupts.len() as u8), interrupts }
    }
}

impl Doorbell {
    /// Returns the doorbell at a port of the Plan.
    fn new(links: &'static Links, port: &SharedMemoryPort) -> Self {
        Self { shared: &links.1[port.memory], port: port.port }
    }
}

impl Port {
    /// Returns the device at a port of the Plan.
    fn new(links: &'static Links, planned: &LinkPort) -> Self {
        let link = &links.0[planned.link];
        let state = State { registers: Registers::new(planned.personality), events: None };
        Self {
            link,
            shared: &link.ports[usize::from(planned.port)],
            number: planned.port,
            state: Mutex::new(state),
        }
    }

    /// Returns what the exception vectors need of it.
    fn head(&self) -> DeviceHead {
        let link = self.link;
        let concern = |lane: &'static SharedLane, queue| {
            let senders = lane.lane.lock().concerned(self.number, queue);
            (senders != 0).then_some(Concern { link, lane, senders })
        };
        let queue = |queue| -> Option<&'static dyn NotifiedQueue> {
            let concern = link.lanes.iter().find_map(|lane| concern(lane, queue))?;
            Some(Box::leak(Box::new(concern)))
        };
        DeviceHead { signals: &self.shared.signals, queues: [RECEIVE, TRANSMIT].map(queue) }
    }
}

impl DiskDevice {
    /// Returns the device of a disk, whose driver does not work yet.
    fn new(
        plan: &PartitionPlan,
        (disk, device): (&PlannedDisk, &VirtioDisk),
        memory: PartitionMemory,
        contents: DiskMemory,
        gic: &'static Gic,
    ) -> Self {
        let interrupt = device.interrupt.expect("the Plan gives each device an interrupt");
        let (size, is_read_only) = (disk.host.size(), disk.is_read_only);
        let personality = Personality::Block { sectors: size / SECTOR_SIZE, is_read_only };
        let region = Region::new(Ipa::new(0), size).expect("it begins at 0");
        Self {
            names: [plan.name.clone(), disk.name.clone()],
            memory,
            contents,
            interrupt: gic.pending_bit(interrupt.intid),
            gic,
            signals: Signals::default(),
            registers: Mutex::new(Registers::new(personality)),
            disk: Mutex::tried(Disk::new(region, is_read_only, id(&disk.name))),
            notices: Notices::default(),
            has_changed: AtomicBool::new(false),
            lines: Mutex::new(line_limit()),
        }
    }

    /// Returns what the exception vectors need of it.
    fn head(&'static self) -> DeviceHead {
        DeviceHead { signals: &self.signals, queues: [Some(self), None] }
    }
}

impl VirtioConsole {
    /// Returns a partition's console with this interrupt, whose driver does not work yet.
    fn new(
        memory: PartitionMemory,
        port: &'static ConsolePort,
        gic: &'static Gic,
        interrupt: Interrupt,
    ) -> Self {
        let registers = Registers::new(Personality::Terminal);
        let state = ConsoleState { registers, terminal: Terminal::default(), fault: None };
        Self {
            memory,
            port,
            gic,
            interrupt: gic.pending_bit(interrupt.intid),
            signals: Signals::default(),
            state: Mutex::new(state),
            lines: Mutex::new(line_limit()),
        }
    }

    /// Returns what the exception vectors need of it.
    fn head(&'static self) -> DeviceHead {
        DeviceHead { signals: &self.signals, queues: [None; 2] }
    }
}
