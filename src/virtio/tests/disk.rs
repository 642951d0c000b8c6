//! Disks.

use super::driver::Driver;
use super::memory::{Memory, START};
use crate::arch::addr::{Ipa, Region};
use crate::virtio::disk::{Disk, DiskOutcome, id};
use crate::virtio::{BYTES_PER_CALL, EVENT_IDX, Fault, INDIRECT_DESC};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// Where a request's header, status and data are.
const HEADER: u64 = START + 0x8000;
const STATUS: u64 = START + 0x9000;
const DATA: u64 = START + 0x10000;
const SECTORS: u64 = 400;

/// A disk and its driver.
pub struct Machine {
    pub driver: Driver,
    pub memory: Memory,
    pub store: Memory,
    pub disk: Disk,
}

impl Machine {
    /// Creates a disk that begins 512 bytes after the start of its memory.
    pub fn new(is_read_only: bool) -> Self {
        let memory = Memory::new(0x80000);
        let store = Memory::new(512 * (SECTORS as usize + 2));
        let content: Vec<u8> = (0..512 * (SECTORS + 2)).map(|it| (it / 7) as u8).collect();
        store.set(START, &content);
        let region = Region::new(Ipa::new(START + 512), 512 * SECTORS + 511).unwrap();
        let mut disk = Disk::new(region, is_read_only, id("a disk"));
        assert_eq!(disk.sectors(), SECTORS);
        let driver = Driver::new(&memory, 0, 64, EVENT_IDX | INDIRECT_DESC);
        disk.attach(Some(driver.queue().unwrap()));
        Self { driver, memory, store, disk }
    }

    /// Returns what is before the disk in its memory, and after it.
    pub fn edges(&self) -> [Vec<u8>; 2] {
        [self.store.get(START, 512), self.store.get(START + 512 * (SECTORS + 1), 512)]
    }

    /// Carries out a request, with a limit of calls. Returns the status, or the fault.
    fn request(&mut self, kind: u32, sector: u64, data: &[(u32, bool)]) -> Result<u8, Fault> {
        let mut header = Vec::from(kind.to_le_bytes());
        header.extend([0; 4]);
        header.extend(sector.to_le_bytes());
        self.memory.set(HEADER, &header);
        self.memory.set(STATUS, &[0xff]);
        let mut parts = vec![(HEADER, 16, false)];
        let mut at = DATA;
        for &(size, is_writable) in data {
            parts.push((at, size, is_writable));
            at += u64::from(size);
        }
        parts.push((STATUS, 1, true));
        self.driver.add(&parts);
        loop {
            self.memory.copied.set(0);
            self.store.copied.set(0);
            let outcome = self.disk.run(&self.memory, &self.store);
            let copied = self.memory.copied.get() + self.store.copied.get();
            assert!(copied <= BYTES_PER_CALL.into(), "{copied} bytes at once");
            let DiskOutcome { signal, fault, more } = outcome;
            if let Some(fault) = fault {
                return Err(fault);
            }
            if !more {
                assert!(signal);
                break;
            }
        }
        let written: u32 = data.iter().filter(|it| it.1).map(|it| it.0).sum();
        let (_, used) = self.driver.take().unwrap();
        let status = self.memory.get(STATUS, 1)[0];
        let data = if kind == 0 && status == 0 { written } else { 0 };
        assert_eq!(used, 1 + if kind == 8 && status == 0 { 20 } else { data });
        assert!(!self.driver.ask_for_interrupt());
        Ok(status)
    }
}

#[test]
fn sectors_are_read_and_written() {
    let mut machine = Machine::new(false);
    assert_eq!(machine.request(0, 3, &[(512, true), (1024, true)]), Ok(0));
    assert_eq!(machine.memory.get(DATA, 1536), machine.store.get(START + 4 * 512, 1536));
    machine.memory.set(DATA, &[0xa5; 1024]);
    let before = machine.store.get(START, 512 * (SECTORS as usize + 2));
    assert_eq!(machine.request(1, SECTORS - 2, &[(1000, false), (24, false)]), Ok(0));
    let end = 512 * (SECTORS as usize + 1);
    let after = machine.store.get(START, end + 512);
    assert_eq!(after[..end - 1024], before[..end - 1024]);
    assert_eq!(after[end - 1024..end], [0xa5; 1024]);
    assert_eq!(after[end..], before[end..]);
    assert_eq!(machine.request(4, 0, &[]), Ok(0));
    assert_eq!(machine.request(8, 0, &[(10, true), (10, true)]), Ok(0));
    assert_eq!(machine.memory.get(DATA, 7), b"a disk\0");
}

#[test]
fn a_long_request_takes_several_calls_and_is_whole() {
    let mut machine = Machine::new(false);
    assert_eq!(machine.request(0, 0, &[(100_000, true), (104_800, true)]), Ok(0));
    assert_eq!(machine.memory.get(DATA, 204_800), machine.store.get(START + 512, 204_800));
    let content: Vec<u8> = (0..204_800_u32).map(|it| (it / 5) as u8).collect();
    machine.memory.set(DATA, &content);
    assert_eq!(machine.request(1, 0, &[(100_000, false), (104_800, false)]), Ok(0));
    assert_eq!(machine.store.get(START + 512, 204_800), content);
}

/// Requests that move little are not done all at once either.
#[test]
fn many_requests_take_several_calls() {
    let mut machine = Machine::new(false);
    let mut header = Vec::from(4_u32.to_le_bytes());
    header.extend([0; 12]);
    machine.memory.set(HEADER, &header);
    for table in 0..60 {
        let parts = [(HEADER, 16, false), (STATUS, 1, true)];
        machine.driver.add_indirect(DATA + 64 * table, &parts);
    }
    let mut calls = Vec::new();
    loop {
        let outcome = machine.disk.run(&machine.memory, &machine.store);
        assert!(outcome.fault.is_none());
        calls.push(std::iter::from_fn(|| machine.driver.take()).count());
        if !outcome.more {
            break;
        }
    }
    assert_eq!(calls.iter().sum::<usize>(), 60);
    assert!(calls.iter().all(|count| *count <= 17), "{calls:?}");
}

#[test]
fn names_are_cut_and_filled() {
    assert_eq!(&id("root")[..6], b"root\0\0");
    assert_eq!(&id("a-name-of-more-than-20-bytes"), b"a-name-of-more-than-");
}

#[test]
fn requests_that_cannot_be_carried_out_are_answered() {
    let mut machine = Machine::new(false);
    let untouched = machine.store.get(START, 512 * (SECTORS as usize + 2));
    for (kind, sector, data, status) in [
        (0, SECTORS, (512, true), 1),
        (0, SECTORS - 1, (1024, true), 1),
        (0, u64::MAX, (512, true), 1),
        (1, SECTORS, (512, false), 1),
        (1, u64::MAX / 512, (512, false), 1),
        (0, 0, (511, true), 1),
        (1, 0, (513, false), 1),
        (8, 0, (19, true), 1),
        (2, 0, (512, true), 2),
        (11, 0, (512, false), 2),
    ] {
        assert_eq!(machine.request(kind, sector, &[data]), Ok(status), "{kind}, {sector}");
    }
    assert_eq!(machine.store.get(START, untouched.len()), untouched);
    assert_eq!(machine.memory.get(DATA, 512), [0; 512]);
    let mut machine = Machine::new(true);
    assert_eq!(machine.request(1, 0, &[(512, false)]), Ok(1));
    assert_eq!(machine.store.get(START, untouched.len()), untouched);
}

#[test]
fn wrong_requests_are_faults() {
    for parts in [
        [(HEADER, 15, false), (STATUS, 1, true)],
        [(HEADER, 16, false), (HEADER, 512, false)],
        [(HEADER, 16, false), (START - 1, 1, true)],
        [(START + 0x80000 - 15, 16, false), (STATUS, 1, true)],
    ] {
        let mut machine = Machine::new(false);
        machine.driver.add(&parts);
        let outcome = machine.disk.run(&machine.memory, &machine.store);
        assert!(outcome.fault.is_some() && !outcome.signal && !outcome.more);
        let again = machine.disk.run(&machine.memory, &machine.store);
        assert_eq!(again, DiskOutcome::default(), "it needs a reset");
    }
}

proptest! {
    #[test]
    fn a_disk_does_what_a_vector_does(
        requests in prop::collection::vec(
            (0..2_u32, 0..SECTORS + 4, prop::collection::vec(0..200_u32, 1..6), any::<u8>()),
            1..30,
        ),
    ) {
        let mut machine = Machine::new(false);
        let mut model = machine.store.get(START + 512, 512 * SECTORS as usize);
        for (kind, sector, parts, seed) in requests {
            let mut parts: Vec<_> = parts.iter().map(|&size| (size, kind == 0)).collect();
            let size = parts.iter().map(|it| it.0).sum::<u32>();
            // Mostly whole sectors.
            if seed % 8 != 0 {
                parts.push((size.next_multiple_of(512) - size, kind == 0));
            }
            let size = parts.iter().map(|it| it.0).sum::<u32>() as usize;
            let content: Vec<u8> = (0..size).map(|it| (it as u8).wrapping_mul(seed)).collect();
            machine.memory.set(DATA, &content);
            let status = machine.request(kind, sector, &parts).unwrap();
            let start = 512 * sector as usize;
            let is_good = size.is_multiple_of(512) && start + size <= model.len();
            prop_assert_eq!(status, u8::from(!is_good));
            if is_good && kind == 1 {
                model[start..start + size].copy_from_slice(&content);
            }
            if is_good && kind == 0 {
                prop_assert_eq!(machine.memory.get(DATA, size), &model[start..start + size]);
            }
            prop_assert_eq!(&machine.store.get(START + 512, model.len()), &model);
        }
    }
}
