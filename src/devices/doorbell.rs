//! Doorbells: the registers by which partitions that share memory interrupt each other.
//!
//! | offset | register | access | meaning |
//! |--:|---|---|---|
//! | 0x00 | PORT | load | the number of the partition's own port |
//! | 0x04 | PORTS | load | the number of ports |
//! | 0x08 | ENABLE | load, store | bit 0: whether this port is rung; 0 when the partition starts |
//! | 0x0c | RING | store | rings the port with this number, or all others if it is 0xffffffff |
//! | 0x10 | READY | load | one bit for each of the ports 0 to 31: its ENABLE |
//! | 0x14 | READY_HIGH | load | the same for the ports 32 to 63 |
//!
//! Registers have four bytes. All other accesses have no effect, and load zeros.
//!
//! To ring a port is to assert the edge-triggered interrupt of its doorbell. A port whose ENABLE is
//! 0 is not rung, and nobody learns of it: the memory itself says what is new. A change of ENABLE
//! rings all others, also the one that the end of the partition's run causes.

use super::address_map::DOORBELLS;
use super::facts::{Binding, KindFacts, Size};
use crate::arch::addr::PAGE_SIZE;
use crate::util::atomic::{AtomicU64, Ordering};

/// What all doorbells of a partition have in common.
pub const FACTS: KindFacts = KindFacts {
    name: "doorbells",
    owned_name: "its doorbells",
    start: DOORBELLS,
    size: Size::PerDevice(PAGE_SIZE),
    mapped: 0,
    has_interrupt: false,
    binding: Binding {
        node: "doorbell",
        compatible: &["bulkhead,doorbell"],
        alias: None,
        entry: Some(PAGE_SIZE),
    },
};

const PORT: u64 = 0x00;
const PORTS: u64 = 0x04;
const ENABLE: u64 = 0x08;
const RING: u64 = 0x0c;
const READY: u64 = 0x10;
const READY_HIGH: u64 = 0x14;
/// The value of RING that rings all other ports.
const ALL: u64 = 0xffff_ffff;
/// The size of a register in bytes.
const WORD: u8 = 4;

/// The doorbells of one shared memory, at most 64, which CPUs of all of its partitions use at the
/// same time.
#[derive(Debug)]
pub struct Doorbells {
    /// The number of ports.
    ports: u8,
    /// ENABLE of all ports, one bit each.
    ready: AtomicU64,
}

impl Doorbells {
    /// Returns the doorbells of this number of ports, none of which is rung.
    // Inlined into the code of boot.
    #[inline(always)]
    pub fn new(ports: u8) -> Self {
        Self { ports, ready: AtomicU64::new(0) }
    }

    /// Carries out a load of `size` bytes at a port, and returns the value.
    #[inline]
    pub fn load(&self, port: u8, offset: u64, size: u8) -> u64 {
        let ready = self.ready.load(Ordering::Acquire);
        match offset {
            _ if size != WORD => 0,
            PORT => port.into(),
            PORTS => self.ports.into(),
            ENABLE => ready >> (port & 63) & 1,
            READY => ready & 0xffff_ffff,
            READY_HIGH => ready >> 32,
            _ => 0,
        }
    }

    /// Carries out a store of `size` bytes at a port, and returns the ports to interrupt, one bit
    /// each.
    #[inline]
    #[must_use]
    pub fn store(&self, port: u8, offset: u64, size: u8, value: u64) -> u64 {
        match (offset, size) {
            (RING, WORD) => {
                let rung = if value == ALL { u64::MAX } else { bit(value) };
                rung & !bit(port.into()) & self.ready.load(Ordering::Acquire)
            }
            (ENABLE, WORD) => self.enable(port, value & 1 != 0),
            _ => 0,
        }
    }

    /// Sets ENABLE of a port, and returns the ports to interrupt, one bit each.
    #[must_use]
    pub fn enable(&self, port: u8, is_on: bool) -> u64 {
        let own = bit(port.into());
        let before = if is_on {
            self.ready.fetch_or(own, Ordering::AcqRel)
        } else {
            self.ready.fetch_and(!own, Ordering::AcqRel)
        };
        if (before & own != 0) == is_on { 0 } else { before & !own }
    }
}

/// Returns the bit of a port; 0 if no port can have this number.
#[inline(always)]
fn bit(port: u64) -> u64 {
    if port < 64 { 1 << port } else { 0 }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    /// Returns doorbells of 64 ports, of which these are on.
    fn doorbells(ready: u64) -> Doorbells {
        Doorbells { ports: 64, ready: AtomicU64::new(ready) }
    }

    #[test]
    fn a_port_is_rung_by_its_number_and_only_if_it_is_on() {
        let bells = doorbells(1 << 63 | 0b1011);
        assert_eq!(bells.store(0, RING, 4, 1), 0b10);
        assert_eq!(bells.store(0, RING, 4, 63), 1 << 63);
        assert_eq!(bells.store(0, RING, 4, 2), 0, "it is off");
        assert_eq!(bells.store(0, RING, 4, 0), 0, "it is its own");
        for none in [64, 65, 0x8000_0001, 0xffff_fffe] {
            assert_eq!(bells.store(0, RING, 4, none), 0, "{none:#x}");
        }
    }

    #[test]
    fn all_others_are_rung_at_once() {
        let bells = doorbells(1 << 63 | 0b1011);
        assert_eq!(bells.store(1, RING, 4, ALL), 1 << 63 | 0b1001);
        assert_eq!(bells.store(2, RING, 4, ALL), 1 << 63 | 0b1011);
    }

    #[test]
    fn a_change_of_enable_rings_the_others_once() {
        let bells = doorbells(0);
        assert_eq!(bells.store(0, ENABLE, 4, 1), 0);
        assert_eq!(bells.store(2, ENABLE, 4, 0xffff_ffff), 0b001);
        assert_eq!(bells.store(2, ENABLE, 4, 1), 0, "nothing changes");
        assert_eq!(bells.load(1, READY, 4), 0b101);
        assert_eq!((bells.load(2, ENABLE, 4), bells.load(1, ENABLE, 4)), (1, 0));
        assert_eq!(bells.enable(2, false), 0b001);
        assert_eq!(bells.enable(2, false), 0, "nothing changes");
        assert_eq!(bells.store(0, RING, 4, ALL), 0);
    }

    #[test]
    fn registers_are_words_and_nothing_else_has_an_effect() {
        let bells = doorbells(1 << 40 | 1 << 31 | 1);
        assert_eq!(bells.load(40, PORT, 4), 40);
        assert_eq!(bells.load(40, PORTS, 4), 64);
        assert_eq!(bells.load(40, READY, 4), 1 << 31 | 1);
        assert_eq!(bells.load(40, READY_HIGH, 4), 1 << 8);
        for size in [1, 2, 4, 8] {
            for offset in 0..PAGE_SIZE {
                let is_register = size == 4 && offset % 4 == 0 && offset < 0x18;
                if !is_register || offset == RING {
                    assert_eq!(bells.load(40, offset, size), 0, "{offset:#x} {size}");
                }
                if !is_register || (offset != RING && offset != ENABLE) {
                    assert_eq!(bells.store(40, offset, size, 0), 0, "{offset:#x} {size}");
                    assert_eq!(bells.store(40, offset, size, ALL), 0, "{offset:#x} {size}");
                }
            }
        }
        assert_eq!(bells.load(0, READY_HIGH, 4), 1 << 8, "no store has changed it");
    }
}
