//! The event queue of an SMMU: reports what devices were refused (IHI 0070, 3.5 and 7.2).

use aarch64_cpu::asm::barrier;
use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::boot::smmu::registers::{EVENTQ_CONS, EVENTQ_PROD};
use bulkhead::smmu::event::{Event, WORDS};
use bulkhead::smmu::queue::QueueSize;
use bulkhead::util::rate_limit::RateLimit;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::el2::arch::cache;
use crate::el2::drivers::mmio::Registers;

/// OVFLG of SMMU_EVENTQ_PROD, and OVACKFLG of SMMU_EVENTQ_CONS: if they differ, records were lost.
const OVERFLOW: u32 = 1 << 31;

/// An event queue, which nothing but the SMMU writes.
pub struct EventQueue {
    /// The SMMU's registers, both pages.
    registers: Registers,
    /// The records, each of four doublewords.
    records: &'static [AtomicU64],
    size: QueueSize,
    /// The position of the next record to read, as SMMU_EVENTQ_CONS has it.
    next: u32,
    is_coherent: bool,
    /// For each of the SMMU's streams, the limit of lines about it.
    limits: Vec<RateLimit>,
}

impl EventQueue {
    /// Returns a queue that is empty: SMMU_EVENTQ_PROD and SMMU_EVENTQ_CONS are 0.
    pub const fn new(
        registers: Registers,
        records: &'static [AtomicU64],
        size: QueueSize,
        is_coherent: bool,
        limits: Vec<RateLimit>,
    ) -> Self {
        Self { registers, records, size, next: 0, is_coherent, limits }
    }

    /// Returns the next event, if there is one.
    pub fn next(&mut self) -> Option<Event> {
        let prod = self.registers.read(EVENTQ_PROD);
        if self.size.is_empty(prod, self.next) {
            return None;
        }
        // The record is read after the register that says that it is there, and before the one that
        // gives its place back.
        barrier::dsb(barrier::SY);
        let event = self.take();
        barrier::dsb(barrier::SY);
        // Lost records need no report: those that are left tell the same.
        self.registers.write(EVENTQ_CONS, self.next | prod & OVERFLOW);
        Some(event)
    }

    /// Returns whether there is another event. The SMMU interrupts only if it finds the queue
    /// empty.
    pub fn has_more(&self) -> bool {
        !self.size.is_empty(self.registers.read(EVENTQ_PROD), self.next)
    }

    /// Returns the limit of lines about the stream with this index.
    pub fn limit(&mut self, stream: usize) -> Option<&mut RateLimit> {
        self.limits.get_mut(stream)
    }

    /// Reads the next record, and goes on to the one behind it.
    fn take(&mut self) -> Event {
        let first = self.size.slot(self.next) * WORDS;
        self.next = self.size.next(self.next);
        let Some(words) = self.records.get(first..first + WORDS) else {
            return Event::decode([0; WORDS]);
        };
        if !self.is_coherent {
            // The lines are never dirty, since nothing but the SMMU writes the queue. They may hold
            // what was there before.
            let start = Pa::new(words.as_ptr() as u64);
            let record = Region::new(start, size_of_val(words) as u64).unwrap_or(Region::EMPTY);
            cache::clean_and_invalidate(record);
        }
        let mut record = [0; WORDS];
        for (value, word) in record.iter_mut().zip(words) {
            *value = word.load(Ordering::Relaxed);
        }
        Event::decode(record)
    }
}
