//! The device's side of a split virtqueue (VIRTIO 1.2, 2.7).
//!
//! | bytes of a descriptor | field |
//! |---|---|
//! | 0-7 | address |
//! | 8-11 | size |
//! | 12-13 | flags: bit 0, another one follows; 1, the device writes; 2, a table of descriptors |
//! | 14-15 | index of the one that follows |
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
//! Chains are used in the order in which they were made available, so that one index counts both.
//! To use several of them or none, keep the [`Queue::position`], and [restore](Queue::restore) it
//! instead of [publishing](Queue::publish).

use super::memory::{MemoryAccess, Place};
use super::{EVENT_IDX, Fault, INDIRECT_DESC, MAX_QUEUE_SIZE};
use crate::arch::addr::Ipa;
use core::mem;

/// The size of a descriptor in bytes.
const DESCRIPTOR_SIZE: u64 = 16;
/// The flag of a descriptor that another one follows.
pub(super) const NEXT: u16 = 1;
/// The flag of a descriptor whose buffer the device writes.
pub(super) const WRITE: u16 = 2;
/// The flag of a descriptor whose buffer is a table of descriptors.
pub(super) const INDIRECT: u16 = 4;
/// The flag in the used ring that the driver need not notify, without EVENT_IDX.
const NO_NOTIFY: u16 = 1;
/// The flag in the available ring that the device need not interrupt, without EVENT_IDX.
const NO_INTERRUPT: u16 = 1;

/// A queue as its driver describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueSetup {
    /// Whether the driver uses it.
    pub is_ready: bool,
    /// The number of descriptors.
    pub size: u16,
    /// The table of descriptors ("descriptor area").
    pub descriptors: Ipa,
    /// The available ring ("driver area").
    pub available: Ipa,
    /// The used ring ("device area").
    pub used: Ipa,
}

/// A buffer of a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Where it is in the memory.
    pub at: Place,
    /// Its size in bytes, which may be 0.
    pub size: u32,
}

impl Segment {
    /// A buffer of no bytes.
    pub const EMPTY: Self = Self { at: Place::START, size: 0 };
}

/// A descriptor as it was read.
#[derive(Clone, Copy)]
pub(super) struct Descriptor {
    at: Ipa,
    /// The size of its buffer in bytes.
    pub size: u32,
    /// [`NEXT`], [`WRITE`], [`INDIRECT`], and bits without a meaning.
    pub flags: u16,
    /// The index of the one that follows.
    pub next: u16,
}

impl Descriptor {
    /// Returns the buffer, if it is in the memory.
    #[inline(always)]
    pub fn segment(&self, memory: &impl MemoryAccess) -> Option<Segment> {
        let at = memory.place(self.at, self.size.into())?;
        Some(Segment { at, size: self.size })
    }
}

/// The number of chains that the device has used. Wraps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position(u16);

/// A table of descriptors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Table {
    place: Place,
    /// The number of descriptors.
    entries: u16,
}

impl Table {
    /// Creates the indirect table that a descriptor points to. It may have more entries than any
    /// queue, but no chain is longer than its queue.
    ///
    /// # Errors
    ///
    /// [`Fault::Indirect`] if the size is wrong, [`Fault::Outside`] if it is not in the memory.
    #[inline]
    pub fn indirect(descriptor: &Descriptor, memory: &impl MemoryAccess) -> Result<Self, Fault> {
        let size = descriptor.size;
        let entries = size / DESCRIPTOR_SIZE as u32;
        if !size.is_multiple_of(DESCRIPTOR_SIZE as u32) || entries == 0 {
            return Err(Fault::Indirect);
        }
        let place = memory.place(descriptor.at, size.into()).ok_or(Fault::Outside)?;
        Ok(Self { place, entries: entries.min(u32::from(u16::MAX)) as u16 })
    }

    /// Reads a descriptor.
    ///
    /// # Errors
    ///
    /// [`Fault::DescriptorIndex`] if the table has none with this index.
    #[inline(always)]
    pub fn read(&self, index: u16, memory: &impl MemoryAccess) -> Result<Descriptor, Fault> {
        if index >= self.entries {
            return Err(Fault::DescriptorIndex);
        }
        let place = self.place.after(DESCRIPTOR_SIZE * u64::from(index));
        let [at, rest] = memory.load_descriptor(place);
        let (size, flags, next) = (rest as u32, (rest >> 32) as u16, (rest >> 48) as u16);
        Ok(Descriptor { at: Ipa::new(at), size, flags, next })
    }
}

/// Both sides say by indices of what they want to be told: EVENT_IDX.
const BY_EVENTS: u8 = 1;
/// A chain may go on in an indirect table.
const MAY_BE_INDIRECT: u8 = 2;
/// Without EVENT_IDX: the driver must notify of new buffers.
const ARMED: u8 = 4;

/// The device's state of a queue.
// The modes are bits, because a `bool` would have the tag of an `Option` around the queue, which the
// compiler then copies in parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Queue {
    table: Table,
    available: Place,
    used: Place,
    size: u16,
    /// [`BY_EVENTS`], [`MAY_BE_INDIRECT`] and [`ARMED`].
    modes: u8,
    /// The available index when it was last read. Wraps.
    seen: u16,
    position: Position,
    /// The position when the driver was last interrupted, or needed not to be.
    signalled: u16,
}

impl Queue {
    /// Creates the state of a queue that is new to both sides, in `place`, which keeps what it has if
    /// the queue is wrong. Only `memory` may be used with it.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the driver does not use it, the size is wrong, or a ring is not aligned or not in the memory.
    pub fn set_up(
        place: &mut Option<Self>,
        setup: &QueueSetup,
        features: u64,
        memory: &impl MemoryAccess,
    ) -> Result<(), Fault> {
        let QueueSetup { is_ready, size, descriptors, available, used } = *setup;
        if !is_ready || !size.is_power_of_two() || size > MAX_QUEUE_SIZE {
            return Err(Fault::Setup);
        }
        let count = u64::from(size);
        let check = |at: Ipa, alignment, bytes| {
            if !at.is_aligned(alignment) {
                return Err(Fault::Setup);
            }
            memory.place(at, bytes).ok_or(Fault::Outside)
        };
        let mut modes = if features & EVENT_IDX != 0 { BY_EVENTS } else { ARMED };
        if features & INDIRECT_DESC != 0 {
            modes |= MAY_BE_INDIRECT;
        }
        *place = Some(Self {
            table: Table { place: check(descriptors, 16, DESCRIPTOR_SIZE * count)?, entries: size },
            available: check(available, 2, 6 + 2 * count)?,
            used: check(used, 4, 6 + 8 * count)?,
            size,
            modes,
            seen: 0,
            position: Position::default(),
            signalled: 0,
        });
        Ok(())
    }

    /// Returns a copy that takes chains only, and so can be in registers: it does not signal.
    #[inline(always)]
    pub(super) fn taker(&self) -> Self {
        let Self { table: Table { place, entries }, available, used, size, seen, position, .. } =
            *self;
        let (table, modes, signalled) = (Table { place, entries }, 0, 0);
        Self { table, available, used, size, modes, seen, position, signalled }
    }

    /// Returns whether there is a chain to take, among those that the device has seen.
    #[inline(always)]
    pub fn has_seen_next(&self) -> bool {
        self.position.0 != self.seen
    }

    /// Returns whether there is a chain to take.
    ///
    /// # Errors
    ///
    /// [`Fault::AvailableIndex`] if the driver's index is impossible.
    #[inline(always)]
    pub fn has_next(&mut self, memory: &impl MemoryAccess) -> Result<bool, Fault> {
        if !self.has_seen_next() {
            self.look(memory)?;
        }
        Ok(self.has_seen_next())
    }

    /// Reads the driver's index, and returns whether it has changed since the device last looked.
    ///
    /// # Errors
    ///
    /// [`Fault::AvailableIndex`] if the index is impossible.
    #[inline]
    pub fn look(&mut self, memory: &impl MemoryAccess) -> Result<bool, Fault> {
        let index = memory.load_index(self.available.after(2));
        if index.wrapping_sub(self.position.0) > self.size {
            return Err(Fault::AvailableIndex);
        }
        Ok(mem::replace(&mut self.seen, index) != index)
    }

    /// Returns how far the device has come.
    #[inline(always)]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Goes back to an earlier position, after which nothing was published, or on to that of a
    /// [taker](Self::taker).
    #[inline(always)]
    pub fn restore(&mut self, before: Position) {
        self.position = before;
    }

    /// Returns whether the driver has made as many chains available as the queue can have, when the
    /// device last looked and before it used some of them.
    pub fn was_full(&self, before: Position) -> bool {
        self.seen.wrapping_sub(before.0) >= self.size
    }

    /// Returns the index of the first descriptor of the next chain, which [`Queue::has_next`] has
    /// reported.
    #[inline(always)]
    pub(super) fn head(&self, memory: &impl MemoryAccess) -> u16 {
        memory.load_index(self.available.after(4 + 2 * self.slot()))
    }

    /// Returns the slot of the next chain in both rings, which is below the size.
    #[inline(always)]
    fn slot(&self) -> u64 {
        (self.position.0 & self.size.wrapping_sub(1)).into()
    }

    /// Returns the queue's own table of descriptors.
    #[inline(always)]
    pub(super) fn table(&self) -> Table {
        self.table
    }

    /// Returns the number of descriptors.
    #[inline(always)]
    pub(super) fn size(&self) -> u16 {
        self.size
    }

    /// Returns whether a chain may go on in an indirect table.
    #[inline(always)]
    pub(super) fn has_indirect(&self) -> bool {
        self.modes & MAY_BE_INDIRECT != 0
    }

    /// Writes the used element of the next chain, and goes on to the one that follows. The driver
    /// sees it after [`Queue::publish`].
    #[inline(always)]
    pub fn put_used(&mut self, memory: &impl MemoryAccess, head: u16, written: u32) {
        let element = u64::from(head) | u64::from(written) << 32;
        memory.store_used(self.used.after(4 + 8 * self.slot()), element);
        self.position.0 = self.position.0.wrapping_add(1);
    }

    /// Shows the driver all used elements.
    #[inline]
    pub fn publish(&self, memory: &impl MemoryAccess) {
        memory.store_index(self.used.after(2), self.position.0);
    }

    /// Returns whether something was used since [`Queue::must_signal`] was last called.
    #[inline(always)]
    pub fn has_news(&self) -> bool {
        self.position.0 != self.signalled
    }

    /// Returns whether the driver wants an interrupt for what was published since the last call.
    // Inlined into those devices that call it, which are in wings of their own.
    #[inline(always)]
    pub fn must_signal(&mut self, memory: &impl MemoryAccess) -> bool {
        memory.fence();
        self.must_signal_after_fence(memory)
    }

    /// Does the same after a fence that came after [`Queue::publish`].
    ///
    /// The driver writes its wish, then reads the used index once more. With fences on both sides
    /// at least one sees the other's store (VIRTIO 1.2, 2.7.7.1 and 2.7.10.1).
    #[inline(always)]
    pub fn must_signal_after_fence(&mut self, memory: &impl MemoryAccess) -> bool {
        let before = mem::replace(&mut self.signalled, self.position.0);
        let new = self.position.0.wrapping_sub(before);
        if new == 0 {
            return false;
        }
        if self.modes & BY_EVENTS == 0 {
            return memory.load_index(self.available) & NO_INTERRUPT == 0;
        }
        let event = memory.load_index(self.available.after(4 + 2 * u64::from(self.size)));
        event.wrapping_sub(before) < new
    }

    /// Does what [`Queue::arm`] does, where it matters more that the caller is small.
    ///
    /// # Errors
    ///
    /// As [`Queue::arm`].
    #[inline(never)]
    pub fn await_next(&mut self, memory: &impl MemoryAccess) -> Result<bool, Fault> {
        self.arm(memory)
    }

    /// Has the driver notify of the next chain, and returns whether it has made one available that
    /// the device had not seen: it may not notify of that. A fence for [`Queue::publish`] as well.
    ///
    /// # Errors
    ///
    /// [`Fault::AvailableIndex`] if the driver's index is impossible.
    #[inline]
    pub fn arm(&mut self, memory: &impl MemoryAccess) -> Result<bool, Fault> {
        if self.modes & BY_EVENTS != 0 {
            memory.store_index(self.used.after(4 + 8 * u64::from(self.size)), self.seen);
        } else if self.modes & ARMED == 0 {
            memory.store_index(self.used, 0);
            self.modes |= ARMED;
        }
        // The driver writes its index, then reads whether to notify (VIRTIO 1.2, 2.7.10.2).
        memory.fence();
        self.look(memory)
    }

    /// Tells the driver not to notify, until the queue is [armed](Self::arm). With EVENT_IDX a
    /// queue that is not armed again needs nothing: it notifies once in 65,536 chains.
    #[inline(always)]
    pub fn disarm(&mut self, memory: &impl MemoryAccess) {
        if self.modes & ARMED != 0 {
            memory.store_index(self.used, NO_NOTIFY);
            self.modes &= !ARMED;
        }
    }
}
