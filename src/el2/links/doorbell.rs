//! The doorbells of a partition, as its own CPUs use them.

use alloc::vec::Vec;
use bulkhead::arch::addr::PAGE_SIZE;
use bulkhead::devices::doorbell;

use crate::el2::drivers::gic::PendingBit;
use crate::el2::partition::{Doorbells, LinkAccess};

/// The doorbells of one shared memory, as the CPUs of all partitions use them.
pub struct SharedDoorbells {
    /// Their registers.
    pub doorbells: doorbell::Doorbells,
    /// The interrupts of the ports.
    pub interrupts: Vec<PendingBit>,
}

/// A partition's end of them.
pub struct Doorbell {
    pub shared: &'static SharedDoorbells,
    /// The number of the partition's port.
    pub port: u8,
}

impl SharedDoorbells {
    /// Asserts the interrupts of ports, one bit each.
    #[inline]
    fn ring(&self, mut ports: u64) {
        while ports != 0 {
            if let Some(interrupt) = self.interrupts.get(ports.trailing_zeros() as usize) {
                interrupt.set();
            }
            ports &= ports.wrapping_sub(1);
        }
    }
}

/// All doorbells of a partition, by their pages.
pub struct OwnDoorbells(pub Vec<Doorbell>);

impl Doorbells for OwnDoorbells {
    fn access(&self, LinkAccess { offset, size, stored }: LinkAccess) -> u64 {
        let doorbell = self.0.get((offset / PAGE_SIZE) as usize);
        doorbell.map_or(0, |it| it.access(offset % PAGE_SIZE, size, stored))
    }

    fn stop(&self) {
        self.0.iter().for_each(Doorbell::stop);
    }
}

impl Doorbell {
    /// Carries out an access, and returns the value loaded.
    #[inline]
    fn access(&self, offset: u64, size: u8, stored: Option<u64>) -> u64 {
        let Self { shared, port } = *self;
        match stored {
            None => shared.doorbells.load(port, offset, size),
            Some(value) => {
                shared.ring(shared.doorbells.store(port, offset, size, value));
                0
            }
        }
    }

    /// Resets the doorbell: from now on nobody rings it.
    fn stop(&self) {
        self.shared.ring(self.shared.doorbells.enable(self.port, false));
    }
}
