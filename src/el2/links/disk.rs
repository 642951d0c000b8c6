//! Disks that a partition has as virtio devices.
//!
//! A CPU copies between its guest's buffers and the disk when its guest notifies the device, or
//! when it is kicked to go on with what it has begun. It opens a window onto each for that. The lock
//! of the queue is only tried: a CPU that finds it held, by another one of the partition, leaves a
//! notice.

use alloc::string::String;
use bulkhead::util::rate_limit::RateLimit;
use bulkhead::virtio::Fault;
use bulkhead::virtio::disk::Disk;
use bulkhead::virtio::notices::Notices;
use bulkhead::virtio::personality::REQUESTS;
use bulkhead::virtio::registers::{Action, Registers, STATUS};
use bulkhead::virtio::signals::Signals;
use core::sync::atomic::{AtomicBool, Ordering};

use super::device::{Device, Visit, continue_later, say_fault};
use super::memory::{DiskMemory, OpenPair, View};
use crate::el2::arch::sync::{Mutex, MutexGuard};
use crate::el2::drivers::gic::{Gic, PendingBit};
use crate::el2::mm::fill::PartitionMemory;
use crate::el2::partition::NotifiedQueue;

/// A disk as a virtio device. Only the partition's own CPUs use it.
pub struct DiskDevice {
    /// The name of the partition, and that of the disk.
    pub names: [String; 2],
    /// The partition's memory.
    pub memory: PartitionMemory,
    /// The disk's memory.
    pub contents: DiskMemory,
    /// The interrupt of the device.
    pub interrupt: PendingBit,
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
    /// What the device tells its driver.
    pub signals: Signals,
    pub registers: Mutex<Registers>,
    /// The queue, and what is done of its first request.
    pub disk: Mutex<Disk>,
    /// Whether there may be something to do.
    pub notices: Notices,
    /// Whether the driver has set up or taken back the queue, and `disk` does not know.
    pub has_changed: AtomicBool,
    /// The limit of lines about mistakes of the driver.
    pub lines: Mutex<RateLimit>,
}

/// The notice of a device, which has one queue.
const NOTICE: u64 = 1;

impl NotifiedQueue for DiskDevice {
    fn notify(&self) {
        self.attend(NOTICE);
    }
}

impl Device for &'static DiskDevice {
    fn access(&self, offset: u64, size: u8, stored: Option<u64>) -> Option<u64> {
        match stored {
            None => Some(self.registers.lock().read(offset, size, &self.signals)),
            Some(value) => self.store(offset, size, value),
        }
    }

    fn poll(&self, visit: &mut Visit) {
        if !self.notices.has_any() {
            return;
        }
        if visit.has_moved {
            return continue_later(self.gic);
        }
        visit.has_moved = true;
        self.attend(0);
    }

    fn stop(&self) -> bool {
        self.store(STATUS, 4, 0).is_some()
    }
}

impl DiskDevice {
    /// Carries out a store.
    fn store(&self, offset: u64, size: u8, value: u64) -> Option<u64> {
        let mut registers = self.registers.lock();
        let action = registers.write(offset, size, value, &self.signals);
        match action {
            Action::None => return Some(0),
            // What came while the driver handled the last interrupt needs another edge.
            Action::Interrupt => {
                self.interrupt.set();
                return Some(0);
            }
            Action::Ready | Action::Reset => {}
        }
        self.has_changed.store(true, Ordering::Release);
        drop(registers);
        self.attend(NOTICE);
        // What the driver has taken back it may use when the store has completed.
        let is_used = action == Action::Reset && self.has_changed.load(Ordering::Acquire);
        (!is_used).then_some(0)
    }

    /// Does what there is to do, unless another CPU does. Work that is left is continued once this
    /// CPU's other interrupts are handled.
    fn attend(&self, notice: u64) {
        let serve = |mut disk: MutexGuard<'_, Disk>, notices| {
            if notices == 0 {
                return 0;
            }
            let open = OpenPair::open_disk(&self.memory, &self.contents);
            let [memory, contents] = &*open;
            let changed = if self.has_changed.swap(false, Ordering::AcqRel) {
                self.change(&mut disk, memory)
            } else {
                Ok(())
            };
            let outcome = disk.run(memory, contents);
            drop((open, disk));
            if outcome.signal && self.signals.report_used() {
                self.interrupt.set();
            }
            if let Some(fault) = changed.err().or(outcome.fault) {
                self.report(fault);
            }
            if outcome.more { NOTICE } else { 0 }
        };
        if self.notices.attend(notice, || self.disk.try_lock(), serve) {
            continue_later(self.gic);
        }
    }

    /// Takes over the queue as the driver has set it up, or forgets it.
    #[cold]
    #[inline(never)]
    fn change(&self, disk: &mut Disk, memory: &View) -> Result<(), Fault> {
        disk.attach(None);
        let registers = self.registers.lock();
        if registers.is_ready() {
            return disk.set_up(
                &registers.queues()[usize::from(REQUESTS)],
                registers.features(),
                memory,
            );
        }
        Ok(())
    }

    /// Marks the device as in need of a reset, because of this mistake of its driver.
    #[cold]
    #[inline(never)]
    fn report(&self, fault: Fault) {
        if self.signals.report_fault() {
            self.interrupt.set();
        }
        let [partition, disk] = &self.names;
        say_fault(&self.lines, &[partition, ": disk ", disk], fault);
    }
}
