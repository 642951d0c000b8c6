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

use super::chain::{Chain, Direction};
use super::memory::MemoryAccess;
use super::personality::SECTOR_SIZE;
use super::queue::Queue;
use super::{BYTES_PER_CALL, DESCRIPTORS_PER_CALL, Fault, after};
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
pub const ID_SIZE: usize = 20;

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
    chain: Box<Chain>,
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

/// What a request comes to.
enum Answer {
    /// It is finished, and this number of bytes of data was written.
    Finished(Status, u64),
    /// The call may not do more of it.
    Unfinished,
}

impl Disk {
    /// Creates the disk whose sectors are in `region` of the disk's memory, without a queue. A part
    /// of a sector at the end is not used.
    pub fn new(region: Region<Ipa>, is_read_only: bool, id: [u8; ID_SIZE]) -> Self {
        let chain = Box::default();
        Self { region, is_read_only, id, queue: None, chain, done: 0 }
    }

    /// Returns the number of sectors.
    pub fn sectors(&self) -> u64 {
        self.region.size() / SECTOR_SIZE
    }

    /// Sets the queue of requests; `None` if the device was reset.
    pub fn attach(&mut self, queue: Option<Queue>) {
        (self.queue, self.done) = (queue, 0);
    }

    /// Carries out what the driver has made available in `memory`. `disk` is the memory of which
    /// the disk is a region.
    pub fn run<M: MemoryAccess>(&mut self, memory: &M, disk: &M) -> DiskOutcome {
        let Some(mut queue) = self.queue else { return DiskOutcome::default() };
        let mut outcome = DiskOutcome::default();
        let mut budget = (DESCRIPTORS_PER_CALL, BYTES_PER_CALL);
        let result = loop {
            match self.step(&mut queue, memory, disk, &mut budget) {
                Ok(Some(true)) => {}
                Ok(Some(false)) => {
                    outcome.more = true;
                    break queue.must_signal(memory);
                }
                Ok(None) => break queue.must_signal(memory),
                Err(fault) => break Err(fault),
            }
        };
        match result {
            Ok(must_signal) => (self.queue, outcome.signal) = (Some(queue), must_signal),
            Err(fault) => {
                self.attach(None);
                outcome.fault = Some(fault);
            }
        }
        outcome
    }

    /// Carries out a request. Returns whether it is finished; `None` if there is none.
    fn step<M: MemoryAccess>(
        &mut self,
        queue: &mut Queue,
        memory: &M,
        disk: &M,
        (descriptors, bytes): &mut (u16, u32),
    ) -> Result<Option<bool>, Fault> {
        if !queue.has_next_or_arm(memory)? {
            return Ok(None);
        }
        let before = queue.position();
        let is_read = self.chain.read(queue, memory, descriptors)?;
        let answer = if is_read { self.answer(memory, disk, bytes)? } else { Answer::Unfinished };
        let Answer::Finished(status, written) = answer else {
            queue.restore(before);
            return Ok(Some(false));
        };
        let mut last = self.chain.writer(self.chain.writable_bytes() - 1);
        last.write(memory, &[status as u8])?;
        // The used length counts the status.
        let written = u32::try_from(written.saturating_add(1)).unwrap_or(u32::MAX);
        queue.put_used(memory, self.chain.head(), written)?;
        queue.publish(memory)?;
        self.done = 0;
        Ok(Some(true))
    }

    /// Does what the request in the chain asks for.
    fn answer<M: MemoryAccess>(
        &mut self,
        memory: &M,
        disk: &M,
        bytes: &mut u32,
    ) -> Result<Answer, Fault> {
        let header: [u8; HEADER as usize] = self.chain.reader(0).read(memory)?;
        let room = self.chain.writable_bytes().checked_sub(1).ok_or(Fault::BufferLength)?;
        let bits = u128::from_le_bytes(header);
        let (kind, sector) = (bits as u32, (bits >> 64) as u64);
        let finished = |status| Ok(Answer::Finished(status, 0));
        let (size, direction) = match kind {
            IN => (room, Direction::In),
            OUT if self.is_read_only => return finished(Status::IoError),
            OUT => (self.chain.readable_bytes() - HEADER, Direction::Out),
            FLUSH => return finished(Status::Ok),
            GET_ID if room < ID_SIZE as u64 => return finished(Status::IoError),
            GET_ID => {
                self.chain.writer(0).write(memory, &self.id)?;
                return Ok(Answer::Finished(Status::Ok, ID_SIZE as u64));
            }
            _ => return finished(Status::Unsupported),
        };
        let after_sector = self.sectors().checked_sub(sector);
        if !size.is_multiple_of(SECTOR_SIZE)
            || after_sector.is_none_or(|after| size / SECTOR_SIZE > after)
        {
            return finished(Status::IoError);
        }
        // The driver may have made the request shorter since an earlier call.
        let done = self.done.min(size);
        let limit = u64::from(*bytes).min(size - done) as u32;
        if limit == 0 && done < size {
            return Ok(Answer::Unfinished);
        }
        let place = after(self.region.start(), sector * SECTOR_SIZE + done);
        let mut data = match direction {
            Direction::In => self.chain.writer(done),
            Direction::Out => self.chain.reader(HEADER + done),
        };
        data.transfer(memory, disk, place, limit, direction)?;
        *bytes -= limit;
        self.done = done + u64::from(limit);
        if self.done < size {
            return Ok(Answer::Unfinished);
        }
        Ok(Answer::Finished(Status::Ok, if direction == Direction::In { size } else { 0 }))
    }
}
