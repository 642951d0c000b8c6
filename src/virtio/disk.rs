//! A block device over a region of memory (VIRTIO 1.2, 5.2).
//!
//! A request is a header of 16 bytes (type, reserved word, sector), the data, and a byte for the
//! status, which the device writes:
//!
//! | type | data | result |
//! |---|---|---|
//! | 0, IN | written by the device | OK; IOERR outside the disk |
//! | 1, OUT | read by the device | OK; IOERR outside the disk or on a read-only one |
//! | 4, FLUSH | - | OK |
//! | 8, GET_ID | written by the device, 20 bytes | OK; IOERR if there is less room |
//! | other | | UNSUPP |
//!
//! A call does one request, and goes on while it has not moved too many bytes, for which each
//! request counts as [`REQUEST_COST`] more. One that is larger than a call may move is carried out
//! by several.

use super::chain::{Chain, Cursor, Stop, copy, room};
use super::memory::MemoryAccess;
use super::personality::SECTOR_SIZE;
use super::queue::{Queue, QueueSetup, Segment};
use super::{BYTES_PER_CALL, DESCRIPTORS_PER_CALL, Fault};
use crate::arch::addr::{Ipa, Region};
use alloc::boxed::Box;

/// The size of a request's header in bytes.
const HEADER: u64 = 16;
/// Request: read sectors.
const IN: u32 = 0;
/// Request: write sectors.
const OUT: u32 = 1;
/// Request: write what is cached to the disk.
const FLUSH: u32 = 4;
/// Request: read the disk's name.
const GET_ID: u32 = 8;
/// The size of a disk's name in bytes; a shorter one is followed by zeros.
const ID_SIZE: usize = 20;
/// What a request costs besides its data, as the number of bytes that could be copied meanwhile.
const REQUEST_COST: u32 = 4096;

/// Returns a name as the device has it, of which it has no more than 20 bytes.
// Inlined into the code of boot.
#[inline(always)]
pub fn id(name: &str) -> [u8; ID_SIZE] {
    let mut id = [0; ID_SIZE];
    id.iter_mut().zip(name.bytes()).for_each(|(place, byte)| *place = byte);
    id
}

/// The byte that tells the driver what became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Status {
    Ok = 0,
    IoError = 1,
    Unsupported = 2,
}

/// A disk that is a region of memory.
pub struct Disk {
    region: Region<Ipa>,
    is_read_only: bool,
    id: [u8; ID_SIZE],
    queue: Option<Queue>,
    segments: Box<[Segment]>,
    /// The number of bytes of the first request that earlier calls moved.
    done: u64,
}

/// What the caller has to do after a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DiskOutcome {
    /// Whether the driver wants an interrupt for used buffers.
    pub signal: bool,
    /// What the driver did wrong, if the device needs a reset. It uses the queue no more.
    pub fault: Option<Fault>,
    /// Whether there is more to do.
    pub more: bool,
}

impl Disk {
    /// Creates the disk whose sectors are in `region` of the disk's memory, without a queue. A part
    /// of a sector at the end is not used.
    // As `id`.
    #[inline(always)]
    pub fn new(region: Region<Ipa>, is_read_only: bool, id: [u8; ID_SIZE]) -> Self {
        Self { region, is_read_only, id, queue: None, segments: room(), done: 0 }
    }

    /// Returns the number of sectors.
    pub fn sectors(&self) -> u64 {
        self.region.size() / SECTOR_SIZE
    }

    /// Sets the queue of requests; `None` if the device was reset.
    pub fn attach(&mut self, queue: Option<Queue>) {
        (self.queue, self.done) = (queue, 0);
    }

    /// Sets the queue of requests as the driver has set it up in `memory`.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if it is wrong.
    pub fn set_up(
        &mut self,
        setup: &QueueSetup,
        features: u64,
        memory: &impl MemoryAccess,
    ) -> Result<(), Fault> {
        Queue::set_up(&mut self.queue, setup, features, memory)
    }

    /// Carries out what the driver has made available in `memory`. `disk` is the memory of which
    /// the disk is a region.
    pub fn run<M: MemoryAccess>(&mut self, memory: &M, disk: &M) -> DiskOutcome {
        let mut outcome = DiskOutcome::default();
        let Self { region, is_read_only, id, queue: place, segments, done } = self;
        let Some(queue) = place else { return outcome };
        let budget = (DESCRIPTORS_PER_CALL, BYTES_PER_CALL);
        let mut call = Call {
            region: *region,
            is_read_only: *is_read_only,
            id,
            chain: Chain::new(segments),
            done,
            memory,
            disk,
            budget,
        };
        let drained = call.drain(queue);
        queue.publish(memory);
        outcome.signal = queue.must_signal(memory);
        match drained {
            Ok(()) | Err(Stop::Empty) => {}
            Err(Stop::Spent) => outcome.more = true,
            Err(Stop::Fault(fault)) => {
                (*place, *done) = (None, 0);
                outcome.fault = Some(fault);
            }
        }
        outcome
    }
}

/// One call of a disk.
struct Call<'a, M> {
    region: Region<Ipa>,
    is_read_only: bool,
    id: &'a [u8; ID_SIZE],
    chain: Chain<'a>,
    done: &'a mut u64,
    memory: &'a M,
    disk: &'a M,
    /// The descriptors and the bytes that the call may still use.
    budget: (u16, u32),
}

impl<M: MemoryAccess> Call<'_, M> {
    /// Carries out requests until there are no more, and the driver notifies of the next one.
    ///
    /// # Errors
    ///
    /// A [`Fault`]; [`Stop::Spent`].
    fn drain(&mut self, queue: &mut Queue) -> Result<(), Stop> {
        let memory = self.memory;
        queue.look(memory)?;
        loop {
            if !queue.has_seen_next() {
                queue.publish(memory);
                if !queue.await_next(memory)? {
                    return Ok(());
                }
            }
            if self.budget.1 == 0 {
                return Err(Stop::Spent);
            }
            self.chain.read(queue, memory, &mut self.budget.0)?;
            let (status, written) = self.answer()?;
            self.budget.1 = self.budget.1.saturating_sub(REQUEST_COST);
            // `answer` has found that there is a byte.
            let mut last = self.chain.writer();
            last.skip(self.chain.writable_bytes().wrapping_sub(1));
            last.write_byte(memory, status as u8);
            // The used length counts the status.
            let written = written.wrapping_add(1).min(u32::MAX.into()) as u32;
            queue.put_used(memory, self.chain.head(), written);
            *self.done = 0;
        }
    }

    /// Does what the request in the chain asks for. Returns its status, and the number of bytes of
    /// data that were written.
    ///
    /// # Errors
    ///
    /// As [`Call::drain`].
    fn answer(&mut self) -> Result<(Status, u64), Stop> {
        let mut data = self.chain.reader();
        let mut header = [0; HEADER as usize / 4];
        if !data.read(self.memory, &mut header) {
            return Err(Fault::BufferLength.into());
        }
        let room = self.chain.writable_bytes().checked_sub(1).ok_or(Fault::BufferLength)?;
        let [kind, _, sector, sector_high] = header;
        let sector = u64::from(sector) | u64::from(sector_high) << 32;
        let size = match kind {
            IN => room,
            OUT if self.is_read_only => return Ok((Status::IoError, 0)),
            OUT => self.chain.readable_bytes().wrapping_sub(HEADER),
            FLUSH => return Ok((Status::Ok, 0)),
            GET_ID if room < ID_SIZE as u64 => return Ok((Status::IoError, 0)),
            GET_ID => {
                let mut name = self.chain.writer();
                for &byte in self.id {
                    name.write_byte(self.memory, byte);
                }
                return Ok((Status::Ok, ID_SIZE as u64));
            }
            _ => return Ok((Status::Unsupported, 0)),
        };
        let after_sector = (self.region.size() / SECTOR_SIZE).checked_sub(sector);
        if !size.is_multiple_of(SECTOR_SIZE)
            || after_sector.is_none_or(|after| size / SECTOR_SIZE > after)
        {
            return Ok((Status::IoError, 0));
        }
        // The driver may have made the request shorter since an earlier call.
        let done = (*self.done).min(size);
        let limit = u64::from(self.budget.1).min(size.wrapping_sub(done)) as u32;
        // The sectors are in the region, which is in the disk's memory.
        let offset = sector.wrapping_mul(SECTOR_SIZE).wrapping_add(done);
        let at = self.region.start().get().wrapping_add(offset);
        let Some(at) = self.disk.place(Ipa::new(at), limit.into()) else {
            return Ok((Status::IoError, 0));
        };
        let place = [Segment { at, size: limit }];
        let mut place = Cursor::new(&place);
        if kind == IN {
            data = self.chain.writer();
        }
        data.skip(done);
        if kind == IN {
            copy(&mut place, self.disk, &mut data, self.memory, limit);
        } else {
            copy(&mut data, self.memory, &mut place, self.disk, limit);
        }
        self.budget.1 = self.budget.1.wrapping_sub(limit);
        *self.done = done.wrapping_add(limit.into());
        if *self.done < size {
            return Err(Stop::Spent);
        }
        Ok((Status::Ok, if kind == IN { size } else { 0 }))
    }
}
