//! The ends of links in a partition: virtio devices.

use bulkhead::virtio::registers::{Action, Registers, STATUS};

use super::device::{Device, Visit};
use super::link::Link;
use super::port_state::State;
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
        if let Some(socket) = &self.link.socket {
            (socket.poll)(&self.state, self.shared);
        }
    }

    fn stop(&self) -> bool {
        self.store(STATUS, 4, 0).is_some()
    }
}

impl Port {
    /// Carries out a store.
    fn store(&self, offset: u64, size: u8, value: u64) -> Option<u64> {
        let mut state = self.state.lock();
        // A CPU that holds this carries out an earlier change. It is held from here on, so that no
        // start of the driver is lost.
        let queues = if offset == STATUS { Some(self.shared.queues.attempt()?) } else { None };
        let action = state.registers.write(offset, size, value, &self.shared.signals);
        match action {
            Action::None => {}
            // What came while the driver handled the last interrupt needs another edge.
            Action::Interrupt => self.shared.interrupt(),
            Action::Ready => self.start(&state.registers, queues?),
            Action::Reset => {
                state.events = None;
                drop(state);
                let queues = queues.or_else(|| self.shared.queues.attempt());
                return self.take_back(queues).then_some(0);
            }
        }
        Some(0)
    }

    /// Takes the driver's queues into use.
    fn start(&self, registers: &Registers, mut shared: SharedQueues<'_>) {
        *shared = Some(Queues { setups: *registers.queues(), features: registers.features() });
        if !self.announce(shared) {
            // Another CPU is about to see the former change, and then this one.
            self.link.continue_later();
        }
    }

    /// Has all lanes take note of a change of the queues. Returns whether they have.
    fn announce(&self, shared: SharedQueues<'_>) -> bool {
        self.link.request_change(self.number);
        drop(shared);
        self.link.change(self.number)
    }

    /// Takes the queues back from the link, if they are locked. Returns whether no CPU uses them any
    /// more.
    fn take_back(&self, shared: Option<SharedQueues<'_>>) -> bool {
        self.link.set_ready(self.number, false);
        shared.is_some_and(|mut shared| {
            *shared = None;
            self.announce(shared)
        })
    }
}
