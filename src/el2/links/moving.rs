//! Moves data in lanes.

use bulkhead::virtio::Fault;
use bulkhead::virtio::link::{Lane, Memories, Outcome};
use bulkhead::virtio::personality::TRANSMIT;
use core::fmt;
use core::sync::atomic::Ordering;

use super::lane::{SharedLane, bit};
use super::link::{Link, Links};
use super::memory::OpenMemory;
use crate::el2::console::say;

/// The memories of a link's partitions.
struct PortMemories<'a> {
    /// All links.
    links: &'a Links,
    /// The link.
    link: &'a Link,
}

impl Memories for PortMemories<'_> {
    type Memory = OpenMemory;

    #[inline]
    fn open(&self, port: u8) -> Option<OpenMemory> {
        Some(OpenMemory::open(&self.links.partition(self.link, port)?.memory))
    }
}

/// What a driver did wrong.
struct FaultLine<'a>(&'a Link, Fault);

impl fmt::Display for FaultLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("link ")?;
        f.write_str(&self.0.name)?;
        f.write_str(" ")?;
        f.write_str(self.1.reason())
    }
}

impl Link {
    /// Moves what a notification of a port's queue concerns. Returns whether work is left.
    #[inline]
    pub fn notify(&self, links: &Links, port: u8, queue: u16) -> bool {
        let mut is_left = false;
        for lane in &self.lanes {
            let concerned = lane.concerned.get(usize::from(port));
            let senders = concerned.and_then(|it| it.get(usize::from(queue)));
            if let Some(senders) = senders.filter(|senders| **senders != 0) {
                is_left |= self.attend(links, lane, *senders);
            }
        }
        is_left
    }

    /// Continues with what was left in all lanes. Returns whether work is left.
    pub fn go_on(&self, links: &Links) -> bool {
        self.lanes.iter().fold(false, |is_left, lane| self.attend(links, lane, 0) | is_left)
    }

    /// Serves senders in a lane, unless another CPU does.
    fn attend(&self, links: &Links, lane: &SharedLane, senders: u64) -> bool {
        lane.notices.attend(senders, || {
            let mut held = lane.lane.try_lock()?;
            let mut senders = lane.notices.take();
            if lane.changed.load(Ordering::Acquire) != 0 {
                senders |= self.carry_out_changes(links, lane, &mut held);
            }
            let outcome = held.run(senders, &PortMemories { links, link: self });
            drop(held);
            self.report(links, &outcome);
            Some(outcome.more)
        })
    }

    /// Interrupts drivers, and marks devices that need a reset.
    #[inline]
    fn report(&self, links: &Links, outcome: &Outcome) {
        let mut signal = outcome.signal;
        while signal != 0 {
            let port = signal.trailing_zeros();
            signal &= signal.wrapping_sub(1);
            if let Some(port) = self.ports.get(port as usize)
                && port.signals.report_used()
            {
                self.interrupt(port);
            }
        }
        if outcome.broken != 0 {
            self.report_faults(links, outcome);
        }
    }

    /// Marks the device of a port as in need of a reset, because of this mistake of its driver.
    pub fn report_fault(&self, links: &Links, port: u8, fault: Fault) {
        let (broken, fault) = (bit(port), Some(fault));
        self.report_faults(links, &Outcome { broken, fault, ..Outcome::default() });
    }

    /// Marks devices that need a reset.
    #[cold]
    #[inline(never)]
    fn report_faults(&self, links: &Links, outcome: &Outcome) {
        for (number, port) in (0..).zip(&self.ports) {
            if outcome.broken & bit(number) == 0 {
                continue;
            }
            if port.signals.report_fault() {
                self.interrupt(port);
            }
            self.set_ready(links, number, false);
            if let (Some(fault), Some(partition)) = (outcome.fault, links.partition(self, number))
                && port.may_print()
            {
                say!("{partition}: {}", FaultLine(self, fault));
            }
        }
    }

    /// Makes all lanes carry out the change of a port's queues. Returns whether all have, so that
    /// none uses the queues before.
    pub fn change(&self, links: &Links, port: u8) -> bool {
        for lane in &self.lanes {
            // The notice brings the holder of the lock back, if there is one.
            _ = self.attend(links, lane, bit(port));
        }
        self.lanes.iter().all(|lane| lane.has_carried_out(port))
    }

    /// Requests that all lanes carry out the change of a port's queues, while the port's queues
    /// are locked.
    pub fn request_change(&self, port: u8) {
        for lane in &self.lanes {
            lane.changed.fetch_or(bit(port), Ordering::AcqRel);
        }
    }

    /// Carries out the changes of ports' queues. Returns the senders to serve: those that have
    /// waited for the buffers of a port that is gone, or whose queue is new.
    #[cold]
    #[inline(never)]
    fn carry_out_changes(&self, links: &Links, lane: &SharedLane, held: &mut Lane) -> u64 {
        let changed = lane.changed.load(Ordering::Acquire);
        let mut senders = 0;
        for (number, port) in (0..).zip(&self.ports) {
            if changed & bit(number) == 0 {
                continue;
            }
            // Whoever changes them now, attends to the lane afterwards.
            let Some(queues) = port.queues.try_lock() else { continue };
            senders |= held.detach(number) | held.concerned(number, TRANSMIT);
            if let Some(queues) = &*queues {
                held.attach_sender(number, &queues.transmit);
                if let Some(partition) = links.partition(self, number) {
                    let memory = OpenMemory::open(&partition.memory);
                    held.attach_receiver(number, &queues.receive, queues.features, &memory);
                }
            }
            lane.changed.fetch_and(!bit(number), Ordering::AcqRel);
        }
        senders
    }
}
