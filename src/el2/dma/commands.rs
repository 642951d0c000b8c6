//! The command queue of an SMMU (IHI 0070, 3.5 and chapter 4).

use aarch64_cpu::asm::barrier;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::boot::smmu::registers::{CMDQ_CONS, CMDQ_PROD, GERROR, GERROR_CMDQ, GERRORN};
use bulkhead::smmu::command::{Command, WORDS};
use bulkhead::smmu::queue::QueueSize;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::el2::arch::{cache, sync};
use crate::el2::cpu::timer;
use crate::el2::drivers::mmio::Registers;

/// The time in which an SMMU must have carried out a few commands, in milliseconds.
const LIMIT_MS: u64 = 1000;

/// A command queue, which nothing but this type writes.
pub struct CommandQueue {
    /// The SMMU's registers of page 0.
    registers: Registers,
    /// The entries, each of two doublewords.
    entries: &'static [AtomicU64],
    size: QueueSize,
    /// The position at which the next command is written, as SMMU_CMDQ_PROD has it.
    next: u32,
    is_coherent: bool,
}

impl CommandQueue {
    /// Returns a queue that is empty: SMMU_CMDQ_PROD and SMMU_CMDQ_CONS are 0.
    pub const fn new(
        registers: Registers,
        entries: &'static [AtomicU64],
        size: QueueSize,
        is_coherent: bool,
    ) -> Self {
        Self { registers, entries, size, next: 0, is_coherent }
    }

    /// Adds a command, which the SMMU carries out when it likes.
    ///
    /// # Panics
    ///
    /// As [`finish`](Self::finish), if there is no room for it.
    pub fn add(&mut self, command: Command) {
        self.wait(|prod, cons, size| !size.is_full(prod, cons));
        let first = self.size.slot(self.next) * WORDS;
        let Some(entry) = self.entries.get(first..first + WORDS) else { return };
        for (word, entry) in command.encode().into_iter().zip(entry) {
            entry.store(word, Ordering::Relaxed);
        }
        make_visible(entry, self.is_coherent);
        self.next = self.size.next(self.next);
        self.registers.write(CMDQ_PROD, self.next);
    }

    /// Waits until the SMMU has carried out all commands.
    ///
    /// # Panics
    ///
    /// If it does not, or says that it cannot: what devices reach is then unknown.
    pub fn finish(&mut self) {
        self.add(Command::Synchronize);
        self.wait(|prod, cons, size| size.is_empty(prod, cons));
    }

    /// Waits until the positions of producer and consumer are as they should.
    fn wait(&self, is_right: fn(u32, u32, QueueSize) -> bool) {
        let mut deadline = None;
        while !is_right(self.next, self.registers.read(CMDQ_CONS), self.size) {
            let errors = self.registers.read(GERROR) ^ self.registers.read(GERRORN);
            let now = timer::now();
            let deadline = *deadline.get_or_insert(now + timer::milliseconds(LIMIT_MS));
            if errors & GERROR_CMDQ != 0 || now > deadline {
                give_up();
            }
            sync::relax();
        }
    }
}

/// Ends the machine because an SMMU does not do what it is told.
#[cold]
#[inline(never)]
pub fn give_up() -> ! {
    panic!("an SMMU does not carry out a command");
}

/// Makes stores to a table or a queue visible to an SMMU, before a register is written that makes
/// it read them.
pub fn make_visible(words: &[AtomicU64], is_coherent: bool) {
    if !is_coherent {
        let start = Pa::new(words.as_ptr() as u64);
        // It does not wrap: the slice exists.
        let region = Region::new(start, size_of_val(words) as u64).unwrap_or(Region::EMPTY);
        cache::clean_and_invalidate(region);
    }
    barrier::dsb(barrier::SY);
}
