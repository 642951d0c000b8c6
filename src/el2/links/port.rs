//! The ends of links in a partition: virtio devices.

use bulkhead::virtio::Fault;
use bulkhead::virtio::link::send_reset_event;
use bulkhead::virtio::personality::{EVENT, RECEIVE, TRANSMIT};
use bulkhead::virtio::queue::Queue;
use bulkhead::virtio::registers::{Action, Registers, STATUS};
use core::sync::atomic::Ordering;

use super::device::{Device, Visit};
use super::link::Link;
use super::memory::{OpenMemory, View};
use super::shared_port::{Queues, SharedPort};
use crate::el2::arch::sync::{Mutex, MutexGuard};

/// The device at one end, as the partition's own CPUs use it.
pub struct Port {
    pub link: &'static Link,
    pub shared: &'static SharedPort,
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

/// The queues of a port that lanes use, locked.
type SharedQueues<'a> = MutexGuard<'a, Option<Queues>>;

impl Device for Port {
    fn access(&self, offset: u64, size: u8, stored: Option<u64>) -> Option<u64> {
        match stored {
            None => Some(self.state.lock().registers.read(offset, size, &self.shared.signals)),
            Some(value) => self.store(offset, size, value),
        }
    }

    fn poll(&self, visit: &mut Visit) {
        self.link.go_on(visit);
        if self.shared.lost_peer.swap(false, Ordering::AcqRel) {
            self.report_lost_peer();
        }
    }

    fn stop(&self) -> bool {
        let mut state = self.state.lock();
        state.events = None;
        _ = state.registers.write(STATUS, 4, 0, &self.shared.signals);
        drop(state);
        self.take_back(self.shared.queues.try_lock())
    }
}

/// Returns a queue as the driver has set it up.
#[inline(never)]
pub fn queue(registers: &Registers, index: u16, memory: &View) -> Result<Queue, Fault> {
    let setup = registers.queue(index).ok_or(Fault::Setup)?;
    Queue::new(&setup, registers.features(), memory)
}

impl Port {
    /// Carries out a store.
    fn store(&self, offset: u64, size: u8, value: u64) -> Option<u64> {
        let mut state = self.state.lock();
        // A CPU that holds this carries out an earlier change. It is held from here on, so that no
        // start of the driver is lost.
        let queues = if offset == STATUS { Some(self.shared.queues.try_lock()?) } else { None };
        let action = state.registers.write(offset, size, value, &self.shared.signals);
        match action {
            Action::None | Action::Notify(_) | Action::Interrupt(false) => {}
            // What came while the driver handled the last interrupt needs another edge.
            Action::Interrupt(true) => self.shared.interrupt(),
            Action::Ready => self.start(&mut state, queues?),
            Action::Reset => {
                state.events = None;
                drop(state);
                let queues = queues.or_else(|| self.shared.queues.try_lock());
                return self.take_back(queues).then_some(0);
            }
        }
        Some(0)
    }

    /// Takes the driver's queues into use.
    fn start(&self, state: &mut State, shared: SharedQueues<'_>) {
        match self.queues(state) {
            Ok(queues) => {
                if !self.set_queues(shared, Some(queues)) {
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
        let Some(partition) = self.shared.partition.get() else { return Err(Fault::Setup) };
        let memory = &*OpenMemory::open(&partition.memory);
        let State { registers, events } = state;
        let queue = |index| queue(registers, index, memory);
        let (transmit, receive) = (queue(TRANSMIT)?, queue(RECEIVE)?);
        *events = queue(EVENT).ok();
        Ok(Queues { transmit, receive, features: registers.features() })
    }

    /// Sets the queues that lanes use. Returns whether all lanes have taken note.
    fn set_queues(&self, mut shared: SharedQueues<'_>, queues: Option<Queues>) -> bool {
        *shared = queues;
        self.link.request_change(self.number);
        drop(shared);
        self.link.change(self.number)
    }

    /// Takes the queues back from the link, if they are locked. Returns whether no CPU uses them any
    /// more.
    fn take_back(&self, shared: Option<SharedQueues<'_>>) -> bool {
        self.link.set_ready(self.number, false);
        shared.is_some_and(|shared| self.set_queues(shared, None))
    }

    /// Tells the driver that its connections are gone.
    fn report_lost_peer(&self) {
        let mut state = self.state.lock();
        let Some(events) = &mut state.events else { return };
        let Some(partition) = self.shared.partition.get() else { return };
        let sent = send_reset_event(events, &*OpenMemory::open(&partition.memory));
        let must_interrupt = match sent {
            Ok(must_signal) => must_signal && self.shared.signals.report_used(),
            Err(_) => self.shared.signals.report_fault(),
        };
        if must_interrupt {
            self.shared.interrupt();
        }
    }
}
