//! The ends of links in a partition: virtio devices.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bulkhead::arch::addr::PAGE_SIZE;
use bulkhead::boot::plan::{LinkPort, PartitionPlan};
use bulkhead::virtio::Fault;
use bulkhead::virtio::link::send_reset_event;
use bulkhead::virtio::personality::{EVENT, RECEIVE, TRANSMIT};
use bulkhead::virtio::queue::Queue;
use bulkhead::virtio::registers::{Action, QUEUE_NOTIFY, Registers, STATUS};
use bulkhead::virtio::signals::Signals;
use core::sync::atomic::Ordering;

use super::link::{Link, Links};
use super::memory::OpenMemory;
use super::shared_port::{Queues, SharedPort};
use crate::el2::arch::sync::Mutex;
use crate::el2::cpu::{self, LINKS};
use crate::el2::partition::{LinkAccess, LinkPorts};

/// All ends of links in a partition.
struct Ports(Vec<Device>);

/// The device at one end, as the partition's own CPUs use it.
struct Device {
    links: &'static Links,
    link: &'static Link,
    port: &'static SharedPort,
    /// The number of the port in the link.
    number: u8,
    state: Mutex<State>,
}

/// The state of a device.
struct State {
    registers: Registers,
    /// The queue of events, if the device has one and the driver works.
    events: Option<Queue>,
}

/// Returns a partition's ends of links; `None` if it has none.
pub fn ports(links: &'static Links, plan: &PartitionPlan) -> Option<Box<dyn LinkPorts>> {
    let devices: Vec<_> = plan.links.iter().map(|port| Device::new(links, port)).collect();
    if devices.is_empty() { None } else { Some(Box::new(Ports(devices))) }
}

impl LinkPorts for Ports {
    fn access(&self, LinkAccess { offset, size, stored }: LinkAccess) -> Option<u64> {
        let Some(device) = self.0.get((offset / PAGE_SIZE) as usize) else { return Some(0) };
        device.access(offset % PAGE_SIZE, size, stored)
    }

    fn interrupt(&self, device: usize) {
        if let Some(device) = self.0.get(device) {
            device.link.interrupt(device.port);
        }
    }

    fn signals(&self, device: usize) -> Option<&'static Signals> {
        self.0.get(device).map(|device| &device.port.signals)
    }

    fn poll(&self) {
        self.0.iter().for_each(Device::poll);
    }

    fn stop(&self) -> bool {
        // All of them, also after one that another CPU uses.
        self.0.iter().filter(|device| !device.stop()).count() == 0
    }
}

impl Device {
    /// Returns the device at a port of the Plan.
    fn new(links: &'static Links, planned: &LinkPort) -> Self {
        let link = &links.links[planned.link];
        let state = State { registers: Registers::new(planned.personality), events: None };
        Self {
            links,
            link,
            port: &link.ports[usize::from(planned.port)],
            number: planned.port,
            state: Mutex::new(state),
        }
    }

    /// Carries out an access, and returns the value loaded; `None` if the instruction must be
    /// executed again.
    #[inline]
    fn access(&self, offset: u64, size: u8, stored: Option<u64>) -> Option<u64> {
        let signals = &self.port.signals;
        match (offset, stored) {
            (QUEUE_NOTIFY, Some(queue)) => self.notify(queue as u16),
            (_, None) => return Some(self.state.lock().registers.read(offset, size, signals)),
            (_, Some(value)) => return self.store(offset, size, value),
        }
        Some(0)
    }

    /// Moves what the driver has made available in a queue.
    #[inline]
    fn notify(&self, queue: u16) {
        if self.link.notify(self.links, self.number, queue) {
            self.continue_later();
        }
    }

    /// Carries out a store to a register that needs the lock of the device.
    #[inline(never)]
    fn store(&self, offset: u64, size: u8, value: u64) -> Option<u64> {
        let mut state = self.state.lock();
        let action = state.registers.write(offset, size, value, &self.port.signals);
        match action {
            Action::None | Action::Notify(_) | Action::Interrupt(_) => {}
            Action::Ready => self.start(&mut state),
            Action::Reset => {
                state.events = None;
                drop(state);
                return self.take_back().then_some(0);
            }
        }
        Some(0)
    }

    /// Takes the driver's queues into use.
    fn start(&self, state: &mut State) {
        match self.queues(state) {
            Ok(queues) => {
                if !self.set_queues(Some(queues)) {
                    // Another CPU is about to see the former change, and then this one.
                    self.continue_later();
                }
                self.link.set_ready(self.links, self.number, true);
            }
            Err(fault) => self.link.report_fault(self.links, self.number, fault),
        }
    }

    /// Returns the queues as the driver has set them up.
    fn queues(&self, state: &mut State) -> Result<Queues, Fault> {
        let features = state.registers.features();
        let Some(partition) = self.links.partition(self.link, self.number) else {
            return Err(Fault::Setup);
        };
        let memory = OpenMemory::open(&partition.memory);
        let queue = |index| match state.registers.queue(index) {
            Some(setup) => Queue::new(&setup, features, &memory),
            None => Err(Fault::Setup),
        };
        let (transmit, receive) = (queue(TRANSMIT)?, queue(RECEIVE)?);
        state.events = queue(EVENT).ok();
        Ok(Queues { transmit, receive, features })
    }

    /// Sets the queues that lanes use. Returns whether all lanes have taken note.
    fn set_queues(&self, queues: Option<Queues>) -> bool {
        // A CPU that holds this carries out an earlier change.
        let Some(mut shared) = self.port.queues.try_lock() else { return false };
        *shared = queues;
        self.link.request_change(self.number);
        drop(shared);
        self.link.change(self.links, self.number)
    }

    /// Takes the queues back from the link. Returns whether no CPU uses them any more.
    fn take_back(&self) -> bool {
        self.link.set_ready(self.links, self.number, false);
        self.set_queues(None)
    }

    /// Resets the device, and takes the queues back.
    fn stop(&self) -> bool {
        let mut state = self.state.lock();
        state.events = None;
        _ = state.registers.write(STATUS, 4, 0, &self.port.signals);
        drop(state);
        self.take_back()
    }

    /// Continues with work that was left.
    fn poll(&self) {
        if self.link.go_on(self.links) {
            self.continue_later();
        }
        if self.port.lost_peer.swap(false, Ordering::AcqRel) {
            self.report_lost_peer();
        }
    }

    /// Tells the driver that its connections are gone.
    fn report_lost_peer(&self) {
        let mut state = self.state.lock();
        let Some(events) = &mut state.events else { return };
        let Some(partition) = self.links.partition(self.link, self.number) else { return };
        let sent = send_reset_event(events, &OpenMemory::open(&partition.memory));
        let must_interrupt = match sent {
            Ok(must_signal) => must_signal && self.port.signals.report_used(),
            Err(_) => self.port.signals.report_fault(),
        };
        if must_interrupt {
            self.link.interrupt(self.port);
        }
    }

    /// Requests that this CPU continue, once its other interrupts are handled.
    fn continue_later(&self) {
        let cpu = cpu::current();
        cpu.wake.request(LINKS);
        self.link.gic.kick(cpu.index());
    }
}
