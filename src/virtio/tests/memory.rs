//! A partition's memory on the host.

use crate::arch::addr::{Ipa, Region};
use crate::virtio::memory::{MemoryAccess, Outside, OutsideOf, offset_in};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

/// Where each memory begins.
pub const START: u64 = 0x4000_0000;

/// The bytes of a partition, which its driver and devices share.
#[derive(Clone)]
pub struct Memory {
    region: Region<Ipa>,
    bytes: Rc<RefCell<Vec<u8>>>,
    /// The number of reads and copies by a device.
    pub accesses: Rc<Cell<u64>>,
    /// The number of bytes that were copied out of it.
    pub copied: Rc<Cell<u64>>,
    /// If not 0, the state of a generator whose values some reads return instead.
    pub noise: Rc<Cell<u64>>,
}

impl Memory {
    /// Creates a memory of zeros.
    pub fn new(size: usize) -> Self {
        Self {
            region: Region::new(Ipa::new(START), size as u64).unwrap(),
            bytes: Rc::new(RefCell::new(vec![0; size])),
            accesses: Rc::default(),
            copied: Rc::default(),
            noise: Rc::default(),
        }
    }

    /// Writes bytes as the driver.
    pub fn set(&self, at: u64, bytes: &[u8]) {
        let at = (at - START) as usize;
        self.bytes.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Reads bytes as the driver.
    pub fn get(&self, at: u64, size: usize) -> Vec<u8> {
        let at = (at - START) as usize;
        self.bytes.borrow()[at..at + size].to_vec()
    }

    /// Reads an index as the driver.
    pub fn get_u16(&self, at: u64) -> u16 {
        u16::from_le_bytes(self.get(at, 2).try_into().unwrap())
    }

    /// Returns the offset of bytes that a device accesses.
    fn offset(&self, at: Ipa, size: u64) -> Result<usize, Outside> {
        self.accesses.set(self.accesses.get() + 1);
        offset_in(&self.region, at, size).map(|it| it as usize).ok_or(Outside)
    }

    /// Returns a value that a driver might have written since, or `None`.
    fn noise(&self) -> Option<u64> {
        let mut state = self.noise.get();
        if state == 0 {
            return None;
        }
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.noise.set(state);
        (state >> 60 == 0).then_some(state)
    }
}

impl MemoryAccess for Memory {
    fn has(&self, at: Ipa, size: u64) -> bool {
        self.offset(at, size).is_ok()
    }

    fn read<const N: usize>(&self, at: Ipa) -> Result<[u8; N], Outside> {
        let offset = self.offset(at, N as u64)?;
        let mut bytes: [u8; N] = self.bytes.borrow()[offset..offset + N].try_into().unwrap();
        if let Some(noise) = self.noise() {
            let place = noise as usize % N;
            bytes[place] ^= 1 << (noise >> 8 & 7);
        }
        Ok(bytes)
    }

    fn write<const N: usize>(&self, at: Ipa, bytes: [u8; N]) -> Result<(), Outside> {
        let offset = self.offset(at, N as u64)?;
        self.bytes.borrow_mut()[offset..offset + N].copy_from_slice(&bytes);
        Ok(())
    }

    fn load_index(&self, at: Ipa) -> Result<u16, Outside> {
        if !at.is_aligned(2) {
            return Err(Outside);
        }
        self.read(at).map(u16::from_le_bytes)
    }

    fn store_index(&self, at: Ipa, index: u16) -> Result<(), Outside> {
        if !at.is_aligned(2) {
            return Err(Outside);
        }
        self.write(at, index.to_le_bytes())
    }

    fn fence(&self) {}

    fn copy_to(&self, from: Ipa, other: &Self, to: Ipa, size: u32) -> Result<(), OutsideOf> {
        let source = self.offset(from, size.into()).map_err(|_| OutsideOf::Source)?;
        let place = other.offset(to, size.into()).map_err(|_| OutsideOf::Destination)?;
        self.copied.set(self.copied.get() + u64::from(size));
        let bytes = self.bytes.borrow()[source..source + size as usize].to_vec();
        other.bytes.borrow_mut()[place..place + size as usize].copy_from_slice(&bytes);
        Ok(())
    }
}
