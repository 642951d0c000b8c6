//! The ends of links in a partition: virtio devices.

use alloc::vec::Vec;
use bulkhead::arch::addr::PAGE_SIZE;
use bulkhead::virtio::Fault;
use bulkhead::virtio::link::send_reset_event;
use bulkhead::virtio::personality::{EVENT, RECEIVE, TRANSMIT};
use bulkhead::virtio::queue::Queue;
use bulkhead::virtio::registers::{Action, Registers, STATUS};
use core::sync::atomic::Ordering;

use super::link::Link;
use super::memory::OpenMemory;
use super::shared_port::{Queues, SharedPort};
use crate::el2::arch::sync::Mutex;
use crate::el2::partition::{DeviceHeads, LinkAccess, LinkPorts};

/// All ends of links in a partition.
pub struct Ports {
    pub devices: Vec<Device>,
    pub heads: &'static DeviceHeads,
}

/// The device at one end, as the partition's own CPUs use it.
pub struct Device {
    pub link: &'static Link,
    pub port: &'static SharedPort,
    /// The number of the port in the link.
    pub number: u8,
    pub state: Mutex<State>,
}

/// The state of a device.
pub struct State {
    pub registers: Registers,
    /// The queue of events, if the device has one and the driver works.
    pub events: Option<Queue>,
}

impl LinkPorts for Ports {
    fn access(&self, LinkAccess { offset, size, stored }: LinkAccess) -> Option<u64> {
        let Some(device) = self.devices.get((offset / PAGE_SIZE) as usize) else { return Some(0) };
        device.access(offset % PAGE_SIZE, size, stored)
    }

    fn heads(&self) -> &'static DeviceHeads {
        self.heads
    }

    fn poll(&self) {
        self.devices.iter().for_each(Device::poll);
    }

    fn stop(&self) -> bool {
        // All of them, also after one that another CPU uses.
        self.devices.iter().filter(|device| !device.stop()).count() == 0
    }
}

impl Device {
    /// Carries out an access, and returns the value loaded; `None` if the instruction must be
    /// executed again. The vectors have handled notifications.
    fn access(&self, offset: u64, size: u8, stored: Option<u64>) -> Option<u64> {
        match stored {
            None => Some(self.state.lock().registers.read(offset, size, &self.port.signals)),
            Some(value) => self.store(offset, size, value),
        }
    }

    /// Carries out a store.
    fn store(&self, offset: u64, size: u8, value: u64) -> Option<u64> {
        let mut state = self.state.lock();
        let action = state.registers.write(offset, size, value, &self.port.signals);
        match action {
            Action::None | Action::Notify(_) | Action::Interrupt(false) => {}
            // What came while the driver handled the last interrupt needs another edge.
            Action::Interrupt(true) => self.port.interrupt(),
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
                    self.link.continue_later();
                }
                self.link.set_ready(self.number, true);
            }
            Err(fault) => self.link.report_fault(self.number, fault),
        }
    }

    /// Returns the queues as the driver has set them up.
    fn queues(&self, state: &mut State) -> Result<Queues, Fault> {
        let features = state.registers.features();
        let Some(partition) = self.port.partition.get() else { return Err(Fault::Setup) };
        let memory = &*OpenMemory::open(&partition.memory);
        let queue = |index| match state.registers.queue(index) {
            Some(setup) => Queue::new(&setup, features, memory),
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
        self.link.change(self.number)
    }

    /// Takes the queues back from the link. Returns whether no CPU uses them any more.
    fn take_back(&self) -> bool {
        self.link.set_ready(self.number, false);
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
        self.link.go_on();
        if self.port.lost_peer.swap(false, Ordering::AcqRel) {
            self.report_lost_peer();
        }
    }

    /// Tells the driver that its connections are gone.
    fn report_lost_peer(&self) {
        let mut state = self.state.lock();
        let Some(events) = &mut state.events else { return };
        let Some(partition) = self.port.partition.get() else { return };
        let sent = send_reset_event(events, &*OpenMemory::open(&partition.memory));
        let must_interrupt = match sent {
            Ok(must_signal) => must_signal && self.port.signals.report_used(),
            Err(_) => self.port.signals.report_fault(),
        };
        if must_interrupt {
            self.port.interrupt();
        }
    }
}
