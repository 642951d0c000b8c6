//! The virtio devices of a partition, of any kind, and its doorbells.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bulkhead::arch::addr::PAGE_SIZE;
use bulkhead::devices::address_map::{DOORBELLS, VIRTIO};
use bulkhead::operator::console::Notify;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::doorbell::Doorbell;
use crate::el2::partition::{DeviceHeads, LinkAccess, LinkPorts};

/// A device, whose registers are in a page of its own. Only the partition's own CPUs use it.
pub trait Device: Send + Sync {
    /// Carries out an access of `size` bytes: a store of `stored`, or a load if it is `None`. The
    /// vectors have handled notifications of the queues in its [head](DeviceHeads).
    ///
    /// Returns the value loaded; `None` if the instruction must be executed again, because another
    /// CPU uses what the access takes from the link.
    fn access(&self, offset: u64, size: u8, stored: Option<u64>) -> Option<u64>;

    /// Continues with work that was left.
    fn poll(&self, _visit: &mut Visit) {}

    /// Resets it, and takes the partition's memory from it. Returns whether no CPU uses the memory
    /// any more; otherwise this must be called again.
    fn stop(&self) -> bool {
        true
    }
}

/// A device whose other end is Bulkhead's console.
pub trait Console: Send + Sync {
    /// Moves output and input: see [`LinkPorts::run_console`].
    fn run(&self, is_due: bool) -> Notify;
}

/// A visit to EL2 that continues with work that was left.
pub struct Visit {
    /// How many there were before. Wraps.
    pub number: usize,
    /// Whether it has moved data, in a lane or of a disk: in one, so that it is not long.
    pub has_moved: bool,
}

/// The page of the first doorbell, counted from that of the first device.
const FIRST_DOORBELL: usize = ((DOORBELLS.get() - VIRTIO.get()) / PAGE_SIZE) as usize;

/// All virtio devices of a partition, and its doorbells.
pub struct Devices {
    /// The devices, by their pages.
    pub devices: Vec<Option<Box<dyn Device>>>,
    /// The virtio console, which is one of the devices.
    pub console: Option<&'static dyn Console>,
    /// The doorbells of the memory that it shares.
    pub doorbells: Vec<Doorbell>,
    pub heads: &'static DeviceHeads,
    /// The number of visits that continued with work that was left. Wraps.
    pub visits: AtomicUsize,
}

impl Devices {
    /// Returns the devices, without the pages that have none.
    fn all(&self) -> impl Iterator<Item = &dyn Device> {
        self.devices.iter().filter_map(|device| device.as_deref())
    }
}

impl LinkPorts for Devices {
    fn access(&self, LinkAccess { offset, size, stored }: LinkAccess) -> Option<u64> {
        let (page, offset) = ((offset / PAGE_SIZE) as usize, offset % PAGE_SIZE);
        if let Some(doorbell) = self.doorbells.get(page.wrapping_sub(FIRST_DOORBELL)) {
            return Some(doorbell.access(offset, size, stored));
        }
        match self.devices.get(page) {
            Some(Some(device)) => device.access(offset, size, stored),
            _ => Some(0),
        }
    }

    fn heads(&self) -> &'static DeviceHeads {
        self.heads
    }

    fn poll(&self) {
        let number = self.visits.fetch_add(1, Ordering::Relaxed);
        let mut visit = Visit { number, has_moved: false };
        // Each time another lane comes first, so that none waits for others for ever.
        let first = (number >> 1).checked_rem(self.devices.len()).unwrap_or(0);
        let (last, first) = self.devices.split_at_checked(first).unwrap_or_default();
        first.iter().chain(last).flatten().for_each(|device| device.poll(&mut visit));
    }

    fn run_console(&self, is_due: bool) -> Notify {
        self.console.map_or(Notify::No, |console| console.run(is_due))
    }

    fn stop(&self) -> bool {
        self.doorbells.iter().for_each(Doorbell::stop);
        // All of them, also after one that another CPU uses.
        self.all().filter(|device| !device.stop()).count() == 0
    }
}
