//! Links as the CPUs of all partitions use them, and which of their drivers work.

use alloc::string::String;
use alloc::vec::Vec;
use bulkhead::virtio::link::{Forward, Kind};
use core::sync::atomic::{AtomicU64, Ordering};

use super::doorbell::SharedDoorbells;
use super::lane::{SharedLane, bit};
use super::memory::PortMemories;
use super::shared_port::SharedPort;
use super::socket::SocketLink;
use crate::el2::arch::sync::SetOnce;
use crate::el2::drivers::gic::Gic;
use crate::el2::mm::fill::PartitionMemory;

/// All links of the machine, in the order of the Plan, and the doorbells of shared memory.
pub struct Links(pub Vec<Link>, pub Vec<SharedDoorbells>);

/// A link.
pub struct Link {
    /// Its name.
    pub name: String,
    /// What it connects.
    pub kind: Kind,
    /// Its lanes.
    pub lanes: Vec<SharedLane>,
    /// Its ports, by their numbers.
    pub ports: Vec<SharedPort>,
    /// The memories of the partitions at the ports, once they are built.
    pub memories: SetOnce<Vec<&'static PartitionMemory>>,
    /// The ports whose drivers work, one bit each.
    pub ready: AtomicU64,
    /// How its packets are forwarded.
    pub forward: Forward<PortMemories>,
    /// What is different if it connects sockets.
    pub socket: Option<SocketLink>,
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
}

impl Link {
    /// Returns whether the driver of a port works.
    pub fn is_ready(&self, port: u8) -> bool {
        self.ready.load(Ordering::Relaxed) & bit(port) != 0
    }

    /// Records whether the driver of a port works, and tells the others.
    pub fn set_ready(&self, port: u8, is_ready: bool) {
        let bit = bit(port);
        let before = if is_ready {
            self.ready.fetch_or(bit, Ordering::AcqRel)
        } else {
            self.ready.fetch_and(!bit, Ordering::AcqRel)
        };
        if (before & bit != 0) == is_ready {
            return;
        }
        self.tell_carriers();
        if let Some(socket) = &self.socket
            && !is_ready
        {
            (socket.reset)(&self.ports, port, self.gic);
        }
    }

    /// Tells each driver whether there is another one.
    fn tell_carriers(&self) {
        let mut ready = self.ready.load(Ordering::Acquire);
        loop {
            let mut all = u64::MAX;
            while let Some((number, port)) = self.take_port(&mut all) {
                let is_up = ready & !bit(number) != 0;
                // Also if its own driver does not work yet: the interrupt is not asserted again for
                // what follows, until it is acknowledged.
                if port.signals.set_link(is_up) {
                    port.interrupt();
                }
            }
            // Another CPU may have told them at the same time what was true before.
            let now = self.ready.load(Ordering::Acquire);
            if now == ready {
                return;
            }
            ready = now;
        }
    }
}
