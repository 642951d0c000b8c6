//! Moves data in lanes.

use bulkhead::virtio::Fault;
use bulkhead::virtio::link::{Budget, Lane, Memories, Outcome};
use bulkhead::virtio::personality::TRANSMIT;
use core::fmt;
use core::sync::atomic::Ordering;

use super::device::Visit;
use super::lane::{SharedLane, bit};
use super::link::Link;
use super::memory::{OpenMemory, OpenPair, View};
use crate::el2::arch::sync::MutexGuard;
use crate::el2::console::say;
use crate::el2::cpu::{self, LINKS};
use crate::el2::drivers::gic::Gic;
use crate::el2::mm::fill::PartitionMemory;

/// The memories of the partitions at a link's ports.
struct PortMemories<'a>(&'a [&'static PartitionMemory]);

impl PortMemories<'_> {
    /// Returns the memory of the partition at a port.
    #[inline(always)]
    fn of(&self, port: u8) -> Option<&'static PartitionMemory> {
        self.0.get(usize::from(port)).copied()
    }
}

impl Memories for PortMemories<'_> {
    type View = View;
    type Memory = OpenMemory;
    type Pair = OpenPair;

    #[inline]
    fn open(&self, port: u8) -> Option<OpenMemory> {
        Some(OpenMemory::open(self.of(port)?))
    }

    #[inline(always)]
    fn open_pair(&self, [own, peer]: [u8; 2]) -> Option<OpenPair> {
        Some(OpenPair::open(self.of(own)?, self.of(peer)?))
    }
}

/// What a driver did wrong, in parts: the partition, the device, and the mistake.
pub struct FaultLine<'a>(pub &'a [&'a str]);

impl fmt::Display for FaultLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| f.write_str(part))
    }
}

impl Link {
    /// Continues with what was left in one lane, unless the visit has moved data in another one; then
    /// the next visit does. Odd visits have the lanes in reverse order.
    pub fn go_on(&self, visit: &mut Visit) {
        let [one, other] = [self.lanes.first(), self.lanes.get(1)];
        let lanes = if visit.number & 1 == 0 { [one, other] } else { [other, one] };
        for lane in lanes.into_iter().flatten().filter(|lane| lane.notices.has_any()) {
            if visit.has_moved {
                return self.continue_later();
            }
            visit.has_moved = true;
            self.attend(lane, 0);
        }
    }

    /// Serves senders in a lane, unless another CPU does. Work that is left is continued once this
    /// CPU's other interrupts are handled.
    #[inline(never)]
    pub fn attend(&self, lane: &SharedLane, senders: u64) {
        let serve = |mut held: MutexGuard<'_, Lane>, mut senders| {
            if lane.changed.load(Ordering::Acquire) != 0 {
                senders |= self.carry_out_changes(lane, &mut held);
            }
            let Some(memories) = self.memories.get() else { return 0 };
            let (memories, mut budget) = (PortMemories(memories), Budget::default());
            if let Some(signal) = held.run_quick(senders, &memories, &mut budget) {
                drop(held);
                cpu::current().copied.add(budget.copied());
                self.signal(signal);
                return 0;
            }
            let outcome = held.run_any(senders, &memories, budget);
            drop(held);
            cpu::current().copied.add(outcome.copied);
            self.report(&outcome);
            outcome.more
        };
        if lane.notices.attend(senders, || lane.lane.try_lock(), serve) {
            self.continue_later();
        }
    }

    /// Requests that this CPU continue, once its other interrupts are handled.
    pub fn continue_later(&self) {
        continue_later(self.gic);
    }

    /// Interrupts drivers, and marks devices that need a reset.
    fn report(&self, outcome: &Outcome) {
        self.signal(outcome.signal);
        if outcome.broken != 0 {
            self.report_faults(outcome);
        }
    }

    /// Interrupts the drivers of ports, one bit each.
    #[inline]
    fn signal(&self, mut signal: u64) {
        while signal != 0 {
            let port = signal.trailing_zeros();
            signal &= signal.wrapping_sub(1);
            if let Some(port) = self.ports.get(port as usize)
                && port.signals.report_used()
            {
                port.interrupt();
            }
        }
    }

    /// Marks the device of a port as in need of a reset, because of this mistake of its driver.
    pub fn report_fault(&self, port: u8, fault: Fault) {
        let (broken, fault) = (bit(port), Some(fault));
        self.report_faults(&Outcome { broken, fault, ..Outcome::default() });
    }

    /// Marks devices that need a reset.
    #[cold]
    #[inline(never)]
    fn report_faults(&self, outcome: &Outcome) {
        for (number, port) in (0..).zip(&self.ports) {
            if outcome.broken & bit(number) == 0 {
                continue;
            }
            if port.signals.report_fault() {
                port.interrupt();
            }
            self.set_ready(number, false);
            if let (Some(fault), Some(partition)) = (outcome.fault, port.partition.get())
                && port.may_print()
            {
                let parts = [partition.name(), ": link ", &self.name, " ", fault.reason()];
                say!("{}", FaultLine(&parts));
            }
        }
    }

    /// Makes all lanes carry out the change of a port's queues. Returns whether all have, so that
    /// none uses the queues before.
    pub fn change(&self, port: u8) -> bool {
        for lane in &self.lanes {
            // The notice brings the holder of the lock back, if there is one.
            self.attend(lane, bit(port));
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
    fn carry_out_changes(&self, lane: &SharedLane, held: &mut Lane) -> u64 {
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
                if let Some(partition) = port.partition.get() {
                    let memory = &*OpenMemory::open(&partition.memory);
                    held.attach_receiver(number, &queues.receive, queues.features, memory);
                }
            }
            lane.changed.fetch_and(!bit(number), Ordering::AcqRel);
        }
        senders
    }
}

/// Requests that this CPU continue with its partition's devices, once its other interrupts are
/// handled.
#[cold]
#[inline(never)]
pub fn continue_later(gic: &Gic) {
    if let Some(seat) = cpu::current().seat() {
        seat.wake.request(LINKS);
        seat.kick(gic);
    }
}
