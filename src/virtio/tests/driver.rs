//! The driver's side of a queue, as VIRTIO 1.2, 2.7.13 and 2.7.14 describe it.

use super::memory::{Memory, START};
use crate::arch::addr::Ipa;
use crate::virtio::queue::{Queue, QueueSetup};
use crate::virtio::{EVENT_IDX, Fault};
use std::collections::BTreeMap;
use std::vec::Vec;

/// A part of a buffer: its address, its size, and whether the device writes it.
pub type Part = (u64, u32, bool);

/// A driver of one queue, whose rings are in a page of their own each.
pub struct Driver {
    pub memory: Memory,
    pub setup: QueueSetup,
    pub features: u64,
    free: Vec<u16>,
    /// The descriptors of each chain that the device has, by its head.
    taken: BTreeMap<u16, Vec<u16>>,
    available: u16,
    used: u16,
    /// The available index when the device was last notified, or needed not to be.
    notified: u16,
}

impl Driver {
    /// Creates a driver with a queue of a size at a page of the memory; it uses four pages.
    pub fn new(memory: &Memory, page: u64, size: u16, features: u64) -> Self {
        let at = START + page * 4096;
        let [descriptors, available, used] = [0, 1, 2].map(|it| Ipa::new(at + it * 4096));
        Self {
            memory: memory.clone(),
            setup: QueueSetup { is_ready: true, size, descriptors, available, used },
            features,
            free: (0..size).rev().collect(),
            taken: BTreeMap::new(),
            available: 0,
            used: 0,
            notified: 0,
        }
    }

    /// Returns the device's side.
    pub fn queue(&self) -> Result<Queue, Fault> {
        let mut queue = None;
        Queue::set_up(&mut queue, &self.setup, self.features, &self.memory)?;
        Ok(queue.expect("it is set up"))
    }

    /// Returns the number of free descriptors.
    pub fn room(&self) -> usize {
        self.free.len()
    }

    /// Returns the address of a word of the available ring.
    pub fn available_at(&self, offset: u64) -> u64 {
        self.setup.available.get() + offset
    }

    /// Returns the address of a word of the used ring.
    pub fn used_at(&self, offset: u64) -> u64 {
        self.setup.used.get() + offset
    }

    /// Writes a descriptor into a table.
    pub fn describe(&self, table: u64, index: u16, part: Part, flags: u16, next: u16) {
        let (at, size, is_writable) = part;
        let mut bytes = at.to_le_bytes().to_vec();
        bytes.extend(size.to_le_bytes());
        bytes.extend((flags | u16::from(is_writable) << 1).to_le_bytes());
        bytes.extend(next.to_le_bytes());
        self.memory.set(table + 16 * u64::from(index), &bytes);
    }

    /// Makes a buffer available, and returns its head.
    pub fn add(&mut self, parts: &[Part]) -> u16 {
        let indices: Vec<u16> = parts.iter().map(|_| self.free.pop().unwrap()).collect();
        for (place, (&index, &part)) in indices.iter().zip(parts).enumerate() {
            let next = indices.get(place + 1).copied();
            let table = self.setup.descriptors.get();
            self.describe(table, index, part, u16::from(next.is_some()), next.unwrap_or(0));
        }
        self.offer(indices)
    }

    /// Makes a buffer available whose descriptors are in an indirect table.
    pub fn add_indirect(&mut self, table: u64, parts: &[Part]) -> u16 {
        for (index, &part) in (0..).zip(parts) {
            let has_next = usize::from(index) + 1 < parts.len();
            self.describe(table, index, part, u16::from(has_next), index + 1);
        }
        let index = self.free.pop().unwrap();
        let whole = (table, 16 * parts.len() as u32, false);
        self.describe(self.setup.descriptors.get(), index, whole, 4, 0);
        self.offer(Vec::from([index]))
    }

    fn offer(&mut self, indices: Vec<u16>) -> u16 {
        let head = indices[0];
        let slot = u64::from(self.available % self.setup.size);
        self.memory.set(self.available_at(4 + 2 * slot), &head.to_le_bytes());
        self.available = self.available.wrapping_add(1);
        self.memory.set(self.available_at(2), &self.available.to_le_bytes());
        self.taken.insert(head, indices);
        head
    }

    /// Returns whether the device must be notified of what was made available.
    pub fn must_notify(&mut self) -> bool {
        let new = self.available.wrapping_sub(self.notified);
        let old = std::mem::replace(&mut self.notified, self.available);
        if self.features & EVENT_IDX == 0 {
            return new != 0 && self.memory.get_u16(self.used_at(0)) & 1 == 0;
        }
        let size = u64::from(self.setup.size);
        let event = self.memory.get_u16(self.used_at(4 + 8 * size));
        self.available.wrapping_sub(event).wrapping_sub(1) < self.available.wrapping_sub(old)
    }

    /// Takes back the next used buffer: its head and the number of bytes that were written.
    pub fn take(&mut self) -> Option<(u16, u32)> {
        if self.memory.get_u16(self.used_at(2)) == self.used {
            return None;
        }
        let slot = u64::from(self.used % self.setup.size);
        let element = self.memory.get(self.used_at(4 + 8 * slot), 8);
        let head = u32::from_le_bytes(element[..4].try_into().unwrap()) as u16;
        let written = u32::from_le_bytes(element[4..].try_into().unwrap());
        self.used = self.used.wrapping_add(1);
        self.free.extend(self.taken.remove(&head).expect("the device had this buffer"));
        Some((head, written))
    }

    /// Asks for an interrupt after the next used buffer, and returns whether there is one already.
    pub fn ask_for_interrupt(&mut self) -> bool {
        let size = u64::from(self.setup.size);
        self.memory.set(self.available_at(4 + 2 * size), &self.used.to_le_bytes());
        self.memory.get_u16(self.used_at(2)) != self.used
    }
}
