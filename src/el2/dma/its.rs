//! The command queue of an ITS, and the sources whose messages it takes (IHI 0069, chapter 5).

use aarch64_cpu::asm::barrier;
use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::boot::msi::registers::{CREADR, CREADR_STALLED, CWRITER};
use bulkhead::msi::command::{Command, WORDS};
use bulkhead::msi::frame::FrameSpis;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::el2::arch::cache;
use crate::el2::arch::sync::{self, Mutex, SetOnce};
use crate::el2::cpu::timer;
use crate::el2::drivers::mmio::Registers;
use crate::el2::partition::{Messages, Partition};

/// The time in which an ITS must have carried out a few commands, in milliseconds.
const LIMIT_MS: u64 = 1000;
/// The bytes of a command.
const COMMAND: u64 = (WORDS * size_of::<u64>()) as u64;

/// A command queue, which nothing but this type writes.
pub struct ItsQueue {
    /// The ITS's registers of the control frame.
    registers: Registers,
    /// The commands, each of four doublewords.
    entries: &'static [AtomicU64],
    /// The offset at which the next command is written, as GITS_CWRITER has it.
    next: u64,
    is_coherent: bool,
}

impl ItsQueue {
    /// Returns a queue that is empty: GITS_CWRITER and GITS_CREADR are 0.
    pub const fn new(
        registers: Registers,
        entries: &'static [AtomicU64],
        is_coherent: bool,
    ) -> Self {
        Self { registers, entries, next: 0, is_coherent }
    }

    /// Adds a command, which the ITS carries out when it likes.
    ///
    /// # Panics
    ///
    /// As [`finish`](Self::finish), if there is no room for it.
    pub fn add(&mut self, command: Command) {
        let first = (self.next / 8) as usize;
        let end = self.next + COMMAND;
        let end = if end < size_of_val(self.entries) as u64 { end } else { 0 };
        // A queue that is full has an empty place before the next command.
        self.wait(|read, next| read != next, end);
        let Some(entry) = self.entries.get(first..first + WORDS) else { return };
        for (word, entry) in command.encode().into_iter().zip(entry) {
            entry.store(word, Ordering::Relaxed);
        }
        if !self.is_coherent {
            let start = Pa::new(entry.as_ptr() as u64);
            cache::clean_and_invalidate(Region::new(start, COMMAND).unwrap_or(Region::EMPTY));
        }
        barrier::dsb(barrier::SY);
        self.next = end;
        self.registers.write_long(CWRITER, end);
    }

    /// Waits until the ITS has carried out all commands.
    ///
    /// # Panics
    ///
    /// If it does not, or says that it cannot: where messages lead is then unknown.
    pub fn finish(&mut self) {
        self.wait(|read, next| read == next, self.next);
    }

    /// Waits until the offset of the command that the ITS reads next is as it should, compared to
    /// `to`.
    fn wait(&self, is_right: fn(u64, u64) -> bool, to: u64) {
        let mut deadline = None;
        loop {
            let read = self.registers.read_long(CREADR);
            if read & CREADR_STALLED == 0 && is_right(read & !0x1f, to) {
                return;
            }
            let now = timer::now();
            let deadline = *deadline.get_or_insert(now + timer::milliseconds(LIMIT_MS));
            if read & CREADR_STALLED != 0 || now > deadline {
                give_up();
            }
            sync::relax();
        }
    }
}

/// Ends the machine because an ITS does not do what it is told.
#[cold]
#[inline(never)]
fn give_up() -> ! {
    panic!("an ITS does not carry out a command");
}

/// The ITS that takes messages of partitions' functions.
pub struct Its {
    /// Its command queue.
    pub queue: Mutex<ItsQueue>,
    /// The sources of messages, in the order of the Plan.
    pub sources: Vec<Source>,
    /// For each collection its CPU and, as the ITS names it, that CPU's redistributor.
    pub collections: SetOnce<Vec<(usize, u64)>>,
}

/// A function whose messages the ITS takes.
pub struct Source {
    /// Its DeviceID.
    pub device: u32,
    /// The number of the partition.
    pub partition: usize,
    /// Its events: each has the number of its SPI.
    pub spis: FrameSpis,
}

impl Its {
    /// Returns the collections; none before boot has set them.
    fn collections(&self) -> &[(usize, u64)] {
        self.collections.get().map_or(&[], Vec::as_slice)
    }

    /// Has no LPI of a partition's functions pending. They must not send messages any more. Returns
    /// false if another CPU uses the command queue.
    pub(super) fn clear(&self, partition: usize) -> bool {
        let Some(mut queue) = self.queue.attempt() else { return false };
        for source in self.sources.iter().filter(|source| source.partition == partition) {
            for event in source.spis.first.get()..source.spis.end() {
                queue.add(Command::Clear { device: source.device, event });
            }
        }
        for (_, target) in self.collections() {
            queue.add(Command::Synchronize(*target));
        }
        queue.finish();
        true
    }
}

impl Messages for Its {
    fn follow(&self, partition: &Partition, lpi: u32) {
        let source = Intid::source_of_lpi(lpi) as usize;
        let (Some(source), Some(spi)) = (self.sources.get(source), Intid::of_lpi(lpi)) else {
            return;
        };
        let vcpu = partition.state.lock().vgic.route(spi);
        let Some(cpu) = vcpu.and_then(|vcpu| partition.plan.cpus.get(vcpu)) else { return };
        let Some(collection) = self.collections().iter().position(|(of, _)| of == cpu) else {
            return;
        };
        // If another CPU uses the queue, the next message tries again.
        if let Some(mut queue) = self.queue.attempt() {
            let collection = collection as u16;
            queue.add(Command::Move { device: source.device, event: spi.get(), collection });
        }
    }
}
