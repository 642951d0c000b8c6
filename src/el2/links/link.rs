//! Links as the CPUs of all partitions use them, and which of their drivers work.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bulkhead::boot::plan::{LinkPlan, Plan};
use bulkhead::virtio::link::Kind;
use core::sync::atomic::{AtomicU64, Ordering};

use super::lane::{SharedLane, bit};
use super::shared_port::SharedPort;
use crate::el2::arch::sync::SetOnce;
use crate::el2::cpu::LINKS;
use crate::el2::drivers::gic::Gic;
use crate::el2::partition::Partition;

/// All links of the machine.
pub struct Links {
    /// The links, in the order of the Plan.
    pub links: Vec<Link>,
    /// The partitions, once they are built.
    partitions: SetOnce<&'static [Partition]>,
}

/// A link.
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its lanes.
    pub lanes: Vec<SharedLane>,
    /// Its ports, by their numbers.
    pub ports: Vec<SharedPort>,
    /// The ports whose drivers work, one bit each.
    ready: AtomicU64,
    /// Whether a driver is told that its peer was reset, so that its connections are gone.
    resets_connections: bool,
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
}

impl Links {
    /// Returns the links of a Plan; `None` if it has none.
    pub fn new(plan: &Plan, gic: &'static Gic) -> Option<&'static Self> {
        if plan.links.is_empty() {
            return None;
        }
        let link = |(number, link): (usize, &LinkPlan)| Link::new(number, link, plan, gic);
        let links = plan.links.iter().enumerate().map(link).collect();
        Some(Box::leak(Box::new(Self { links, partitions: SetOnce::new() })))
    }

    /// Sets the partitions, before the first guest starts.
    pub fn set_partitions(&self, partitions: &'static [Partition]) {
        self.partitions.set(partitions);
    }

    /// Returns the partition at a port of a link.
    pub fn partition(&self, link: &Link, port: u8) -> Option<&'static Partition> {
        let port = link.ports.get(usize::from(port))?;
        self.partitions.get()?.get(port.partition)
    }
}

impl Link {
    /// Returns a link of the Plan, whose drivers do not work yet.
    fn new(number: usize, link: &LinkPlan, plan: &Plan, gic: &'static Gic) -> Self {
        let port = |partition: &usize| {
            let ports = &plan.partitions.get(*partition)?.links;
            Some((*partition, ports.iter().find(|it| it.link == number)?))
        };
        let ports: Vec<_> = link.partitions.iter().filter_map(port).collect();
        let addresses: Vec<_> = ports.iter().map(|(_, port)| port.personality.address()).collect();
        Self {
            name: link.name.clone(),
            lanes: SharedLane::of_link(link.kind, &addresses),
            ports: ports.iter().map(|(partition, it)| SharedPort::new(*partition, it)).collect(),
            ready: AtomicU64::new(0),
            resets_connections: link.kind == Kind::Socket,
            gic,
        }
    }

    /// Asserts the interrupt of a port.
    pub fn interrupt(&self, port: &SharedPort) {
        self.gic.set_pending(port.intid);
    }

    /// Records whether the driver of a port works, and tells the others.
    pub fn set_ready(&self, links: &Links, port: u8, is_ready: bool) {
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
        if self.resets_connections && !is_ready {
            for (number, other) in (0..).zip(&self.ports).filter(|(number, _)| *number != port) {
                other.lost_peer.store(true, Ordering::Release);
                if let Some(partition) = links.partition(self, number) {
                    partition.cpus[0].wake.request(LINKS);
                    self.gic.kick(partition.cpus[0].index());
                }
            }
        }
    }

    /// Tells each driver whether there is another one.
    fn tell_carriers(&self) {
        let mut ready = self.ready.load(Ordering::Acquire);
        loop {
            for (number, port) in (0..).zip(&self.ports) {
                let is_up = ready & !bit(number) != 0;
                // Also if its own driver does not work yet: the interrupt is not asserted again for
                // what follows, until it is acknowledged.
                if port.signals.set_link(is_up) {
                    self.interrupt(port);
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
