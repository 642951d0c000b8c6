//! A partition's memory on the host.

use crate::arch::addr::{Ipa, Region};
use crate::virtio::memory::{MemoryAccess, Place};
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
    /// The number of indices that a device wrote.
    pub stores: Rc<Cell<u64>>,
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
            stores: Rc::default(),
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

    /// Returns the offset of bytes that a device accesses, which is a multiple of `alignment`.
    fn offset(&self, at: Place, alignment: u64) -> usize {
        assert!(at.offset().is_multiple_of(alignment));
        self.accesses.set(self.accesses.get() + 1);
        at.offset() as usize
    }

    /// Reads bytes, some of which the driver may have changed.
    fn load<const N: usize>(&self, at: Place, alignment: u64) -> [u8; N] {
        let offset = self.offset(at, alignment);
        let mut bytes: [u8; N] = self.bytes.borrow()[offset..offset + N].try_into().unwrap();
        if let Some(noise) = self.noise() {
            let place = noise as usize % N;
            bytes[place] ^= 1 << (noise >> 8 & 7);
        }
        bytes
    }

    fn store(&self, at: Place, alignment: u64, bytes: &[u8]) {
        let offset = self.offset(at, alignment);
        self.bytes.borrow_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
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
    fn place(&self, at: Ipa, size: u64) -> Option<Place> {
        Place::within(&self.region, at, size)
    }

    fn load_index(&self, at: Place) -> u16 {
        u16::from_le_bytes(self.load(at, 2))
    }

    fn store_index(&self, at: Place, index: u16) {
        self.stores.set(self.stores.get() + 1);
        self.store(at, 2, &index.to_le_bytes());
    }

    fn load_descriptor(&self, at: Place) -> [u64; 2] {
        let bits = u128::from_le_bytes(self.load(at, 1));
        [bits as u64, (bits >> 64) as u64]
    }

    fn store_used(&self, at: Place, element: u64) {
        self.store(at, 4, &element.to_le_bytes());
    }

    fn read<const N: usize>(&self, at: Place) -> [u8; N] {
        self.load(at, 1)
    }

    fn write<const N: usize>(&self, at: Place, bytes: [u8; N]) {
        self.store(at, 1, &bytes);
    }

    fn fence(&self) {}

    fn copy_to(&self, from: Place, other: &Self, to: Place, size: u32) {
        let (source, target) = (self.offset(from, 1), other.offset(to, 1));
        self.copied.set(self.copied.get() + u64::from(size));
        let bytes = self.bytes.borrow()[source..source + size as usize].to_vec();
        other.bytes.borrow_mut()[target..target + size as usize].copy_from_slice(&bytes);
    }
}
