//! The device's side of a split virtqueue (VIRTIO 1.2, 2.7).
//!
//! | ring | offset | field | written by |
//! |---|---|---|---|
//! | available | 0 | flags: bit 0, no interrupts | driver |
//! | | 2 | index | driver |
//! | | 4 + 2 n | head of chain n | driver |
//! | | 4 + 2 size | `used_event`, the used index whose buffer shall interrupt | driver |
//! | used | 0 | flags: bit 0, no notifications | device |
//! | | 2 | index | device |
//! | | 4 + 8 n | head of chain n, bytes written to it | device |
//! | | 4 + 8 size | `avail_event`, the available index whose chain shall notify | device |
//!
//! To take several buffers and use either all or none of them, keep the [`Queue::position`], and
//! [restore](Queue::restore) it instead of [publishing](Queue::publish).

use super::memory::MemoryAccess;
use super::{EVENT_IDX, Fault, INDIRECT_DESC, MAX_QUEUE_SIZE, after};
use crate::arch::addr::Ipa;

/// The size of a descriptor in bytes.
const DESCRIPTOR_SIZE: u64 = 16;
/// The flag of a descriptor that another one follows.
const NEXT: u16 = 1;
/// The flag of a descriptor whose buffer the device writes.
const WRITE: u16 = 2;
/// The flag of a descriptor whose buffer is a table of descriptors.
const INDIRECT: u16 = 4;
/// The flag in the used ring that the driver need not notify, without EVENT_IDX.
const NO_NOTIFY: u16 = 1;
/// The flag in the available ring that the device need not interrupt, without EVENT_IDX.
const NO_INTERRUPT: u16 = 1;

/// A queue as its driver describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueSetup {
    /// The number of descriptors.
    pub size: u16,
    /// The table of descriptors ("descriptor area").
    pub descriptors: Ipa,
    /// The available ring ("driver area").
    pub available: Ipa,
    /// The used ring ("device area").
    pub used: Ipa,
}

/// How far the device has come in the rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// The index of the next chain to take.
    next: u16,
    /// The index of the next used element.
    used: u16,
}

/// The device's state of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Queue {
    descriptors: Ipa,
    available: Ipa,
    used: Ipa,
    size: u16,
    has_event_idx: bool,
    has_indirect: bool,
    /// Whether the driver must notify of new buffers, without EVENT_IDX.
    is_armed: bool,
    /// The available index when it was last read. Wraps, like the others.
    seen: u16,
    position: Position,
    /// The used index when the driver was last interrupted, or needed not to be.
    signalled: u16,
}

impl Queue {
    /// Creates the state of a queue that is new to both sides.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the size is wrong, or a ring is not aligned or not in the memory.
    pub fn new(
        setup: &QueueSetup,
        features: u64,
        memory: &impl MemoryAccess,
    ) -> Result<Self, Fault> {
        let QueueSetup { size, descriptors, available, used } = *setup;
        if !size.is_power_of_two() || size > MAX_QUEUE_SIZE {
            return Err(Fault::Setup);
        }
        let count = u64::from(size);
        let rings = [
            (descriptors, 16, DESCRIPTOR_SIZE * count),
            (available, 2, 6 + 2 * count),
            (used, 4, 6 + 8 * count),
        ];
        for (at, alignment, bytes) in rings {
            if !at.is_aligned(alignment) {
                return Err(Fault::Setup);
            }
            if !memory.has(at, bytes) {
                return Err(Fault::Outside);
            }
        }
        Ok(Self {
            descriptors,
            available,
            used,
            size,
            has_event_idx: features & EVENT_IDX != 0,
            has_indirect: features & INDIRECT_DESC != 0,
            is_armed: true,
            seen: 0,
            position: Position::default(),
            signalled: 0,
        })
    }

    /// Returns whether there is a chain to take.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the driver's index is impossible.
    #[inline(never)]
    pub fn has_next(&mut self, memory: &impl MemoryAccess) -> Result<bool, Fault> {
        if self.position.next != self.seen {
            return Ok(true);
        }
        let index = memory.load_index(after(self.available, 2))?;
        if index.wrapping_sub(self.position.next) > self.size {
            return Err(Fault::AvailableIndex);
        }
        self.seen = index;
        Ok(index != self.position.next)
    }

    /// Returns whether there is a chain to take. If not, the driver notifies of the next one.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the driver's index is impossible.
    #[inline]
    pub fn has_next_or_arm(&mut self, memory: &impl MemoryAccess) -> Result<bool, Fault> {
        Ok(self.has_next(memory)? || self.arm(memory)? && self.has_next(memory)?)
    }

    /// Returns how far the device has come.
    #[inline(always)]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Goes back to an earlier position, after which nothing was published.
    #[inline(always)]
    pub fn restore(&mut self, before: Position) {
        self.position = before;
    }

    /// Returns whether the driver has made as many chains available as the queue can have, when the
    /// device last looked and before it took some of them.
    pub fn was_full(&self, before: Position) -> bool {
        self.seen.wrapping_sub(before.next) >= self.size
    }

    /// Takes the next chain, which [`Queue::has_next`] has reported.
    ///
    /// # Errors
    ///
    /// [`Fault::Outside`] if the ring is not in the memory.
    #[inline]
    pub fn take(&mut self, memory: &impl MemoryAccess) -> Result<Walk, Fault> {
        let slot = u64::from(self.position.next & (self.size - 1));
        let head = u16::from_le_bytes(memory.read(after(self.available, 4 + 2 * slot))?);
        self.position.next = self.position.next.wrapping_add(1);
        Ok(Walk {
            table: self.descriptors,
            entries: self.size,
            bound: self.size,
            head,
            next: head,
            has_next: true,
            may_be_indirect: self.has_indirect,
            is_writable: false,
        })
    }

    /// Writes the used element of a chain that was taken. The driver sees it after
    /// [`Queue::publish`].
    ///
    /// # Errors
    ///
    /// [`Fault::Outside`] if the ring is not in the memory.
    #[inline]
    pub fn put_used(
        &mut self,
        memory: &impl MemoryAccess,
        head: u16,
        written: u32,
    ) -> Result<(), Fault> {
        let slot = u64::from(self.position.used & (self.size - 1));
        let element = u64::from(head) | u64::from(written) << 32;
        memory.write(after(self.used, 4 + 8 * slot), element.to_le_bytes())?;
        self.position.used = self.position.used.wrapping_add(1);
        Ok(())
    }

    /// Shows the driver all used elements.
    ///
    /// # Errors
    ///
    /// [`Fault::Outside`] if the ring is not in the memory.
    #[inline]
    pub fn publish(&self, memory: &impl MemoryAccess) -> Result<(), Fault> {
        Ok(memory.store_index(after(self.used, 2), self.position.used)?)
    }

    /// Returns whether the driver wants an interrupt for what was published since the last call.
    ///
    /// # Errors
    ///
    /// [`Fault::Outside`] if the ring is not in the memory.
    pub fn must_signal(&mut self, memory: &impl MemoryAccess) -> Result<bool, Fault> {
        let new = self.position.used.wrapping_sub(self.signalled);
        if new == 0 {
            return Ok(false);
        }
        // The driver writes its wish, then reads the used index once more. With both fences at
        // least one side sees the other's store (VIRTIO 1.2, 2.7.7.1 and 2.7.10.1).
        memory.fence();
        if !self.has_event_idx {
            self.signalled = self.position.used;
            return Ok(memory.load_index(self.available)? & NO_INTERRUPT == 0);
        }
        let event = memory.load_index(after(self.available, 4 + 2 * u64::from(self.size)))?;
        let is_crossed = event.wrapping_sub(self.signalled) < new;
        self.signalled = self.position.used;
        Ok(is_crossed)
    }

    /// Has the driver notify of the next chain, and returns whether it has made one available that
    /// the device had not seen: it may not notify of that.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the ring is not in the memory.
    pub fn arm(&mut self, memory: &impl MemoryAccess) -> Result<bool, Fault> {
        if self.has_event_idx {
            let event = after(self.used, 4 + 8 * u64::from(self.size));
            memory.store_index(event, self.seen)?;
        } else if !self.is_armed {
            memory.store_index(self.used, 0)?;
        }
        self.is_armed = true;
        // The driver writes its index, then reads whether to notify (VIRTIO 1.2, 2.7.10.2).
        memory.fence();
        Ok(memory.load_index(after(self.available, 2))? != self.seen)
    }

    /// Tells the driver not to notify, until the queue is [armed](Self::arm). With EVENT_IDX a
    /// queue that is not armed again needs nothing: it notifies once in 65,536 chains.
    ///
    /// # Errors
    ///
    /// [`Fault::Outside`] if the ring is not in the memory.
    #[inline]
    pub fn disarm(&mut self, memory: &impl MemoryAccess) -> Result<(), Fault> {
        if self.is_armed {
            self.is_armed = false;
            if !self.has_event_idx {
                memory.store_index(self.used, NO_NOTIFY)?;
            }
        }
        Ok(())
    }
}

/// A buffer of a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Its address. It may be outside the memory.
    pub at: Ipa,
    /// Its size in bytes, which may be 0.
    pub size: u32,
}

/// Goes along the descriptors of a chain, reading each once. The chain ends after as many
/// descriptors as the queue has, so a loop is a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Walk {
    table: Ipa,
    /// The number of descriptors in the table.
    entries: u16,
    /// The number of further descriptors that the chain may have.
    bound: u16,
    head: u16,
    next: u16,
    has_next: bool,
    /// Whether a descriptor of a table of descriptors may come.
    may_be_indirect: bool,
    is_writable: bool,
}

impl Walk {
    /// Returns the index of the first descriptor, by which the driver knows the chain.
    #[inline(always)]
    pub fn head(&self) -> u16 {
        self.head
    }

    /// Returns whether the segment that was last returned is written by the device.
    #[inline(always)]
    pub fn is_writable(&self) -> bool {
        self.is_writable
    }

    /// Reads the next descriptor; `None` at the end of the chain.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the descriptor or its place in the chain is wrong.
    #[inline]
    pub fn next(&mut self, memory: &impl MemoryAccess) -> Result<Option<Segment>, Fault> {
        while self.has_next {
            if self.next >= self.entries {
                return Err(Fault::DescriptorIndex);
            }
            self.bound = self.bound.checked_sub(1).ok_or(Fault::ChainLength)?;
            let at = after(self.table, DESCRIPTOR_SIZE * u64::from(self.next));
            let bits = u128::from_le_bytes(memory.read(at)?);
            let (at, size) = (Ipa::new(bits as u64), (bits >> 64) as u32);
            let flags = (bits >> 96) as u16;
            self.has_next = flags & NEXT != 0;
            self.next = (bits >> 112) as u16;
            if flags & INDIRECT != 0 {
                self.enter(at, size)?;
                continue;
            }
            let is_writable = flags & WRITE != 0;
            if self.is_writable && !is_writable {
                return Err(Fault::Order);
            }
            self.is_writable = is_writable;
            return Ok(Some(Segment { at, size }));
        }
        Ok(None)
    }

    /// Goes on in an indirect table, which must be the last of the chain in the queue's own.
    fn enter(&mut self, table: Ipa, size: u32) -> Result<(), Fault> {
        let entries = size / DESCRIPTOR_SIZE as u32;
        let is_whole = size.is_multiple_of(DESCRIPTOR_SIZE as u32) && entries > 0;
        if !self.may_be_indirect || self.has_next || !is_whole {
            return Err(Fault::Indirect);
        }
        self.may_be_indirect = false;
        self.table = table;
        // Larger tables are allowed, but no chain is longer than its queue.
        self.entries = entries.min(u32::from(u16::MAX)) as u16;
        self.next = 0;
        self.has_next = true;
        Ok(())
    }
}
