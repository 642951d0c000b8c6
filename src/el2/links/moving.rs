//! Moves data in lanes.

use bulkhead::virtio::Fault;
use bulkhead::virtio::link::{Budget, Lane, Outcome};
use core::sync::atomic::Ordering;

use super::device::{Visit, continue_later, say_fault};
use super::lane::{SharedLane, bit};
use super::link::Link;
use super::memory::{OpenMemory, PortMemories};
use super::shared_port::{Queues, SharedPort};
use crate::el2::arch::sync::MutexGuard;
use crate::el2::cpu;

impl Link {
    /// Continues with what was left in one lane, unless the visit has moved data in another one; then
    /// the next visit does. Odd visits have the lanes in reverse order.
    pub fn go_on(&'static self, visit: &mut Visit) {
        for index in 0..2 {
            let lane = self.lanes.get(index ^ visit.number & 1);
            let Some(lane) = lane.filter(|lane| lane.notices.has_any()) else { continue };
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
    pub fn attend(&'static self, lane: &SharedLane, senders: u64) {
        let serve = |mut held: MutexGuard<'_, Lane>, mut senders| {
            if lane.changed.load(Ordering::Acquire) != 0 {
                senders |= self.carry_out_changes(lane, &mut held);
            }
            let Some(memories) = self.memories.get() else { return 0 };
            let (memories, mut budget) = (PortMemories(memories), Budget::default());
            let mut longer = None;
            let (signal, copied) = match held.run_quick(senders, &memories, &mut budget) {
                Some(signal) => (signal, budget.copied()),
                None => {
                    let forward = self.forward;
                    let outcome = longer.insert(held.run_any(senders, &memories, budget, forward));
                    (outcome.signal, outcome.copied)
                }
            };
            drop(held);
            cpu::current().copied.add(copied);
            self.signal(signal);
            let Some(outcome) = longer else { return 0 };
            if outcome.broken != 0 {
                self.report_faults(&outcome);
            }
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

    /// Takes a port out of some, one bit each.
    #[inline(always)]
    pub fn take_port(&self, ports: &mut u64) -> Option<(u8, &SharedPort)> {
        let number = ports.trailing_zeros();
        *ports &= ports.wrapping_sub(1);
        // There are at most 64, so that there is none if no bit is set.
        Some((number as u8, self.ports.get(number as usize)?))
    }

    /// Interrupts the drivers of ports, one bit each.
    #[inline]
    fn signal(&self, mut signal: u64) {
        // Most often there is one, or none.
        while signal != 0 {
            if let Some((_, port)) = self.take_port(&mut signal)
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
        let mut broken = outcome.broken;
        while let Some((number, port)) = self.take_port(&mut broken) {
            if port.signals.report_fault() {
                port.interrupt();
            }
            self.set_ready(number, false);
            if let (Some(fault), Some(partition)) = (outcome.fault, port.partition.get()) {
                say_fault(&port.lines, &[partition.name(), ": link ", &self.name], fault);
            }
        }
    }

    /// Makes all lanes carry out the change of a port's queues. Returns whether all have, so that
    /// none uses the queues before.
    pub fn change(&'static self, port: u8) -> bool {
        let mut is_complete = true;
        for lane in &self.lanes {
            // The notice brings the holder of the lock back, if there is one.
            self.attend(lane, bit(port));
            is_complete &= lane.has_carried_out(port);
        }
        is_complete
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
        let mut changed = lane.changed.load(Ordering::Acquire);
        let mut senders = 0;
        while let Some((number, port)) = self.take_port(&mut changed) {
            // Whoever changes them now, attends to the lane afterwards.
            let Some(queues) = port.queues.attempt() else { continue };
            senders |= held.detach(number);
            if let (Some(Queues { setups, features }), Some(partition)) =
                (&*queues, port.partition.get())
            {
                let memory = OpenMemory::open(&partition.memory);
                let attached = held.attach(number, setups, *features, &*memory);
                drop(memory);
                match attached {
                    Ok(()) => self.set_ready(number, true),
                    Err(fault) => {
                        held.detach(number);
                        // All lanes of the link find it.
                        if !port.signals.needs_reset() {
                            self.report_fault(number, fault);
                        }
                    }
                }
            }
            lane.changed.fetch_and(!bit(number), Ordering::AcqRel);
        }
        senders
    }
}
