//! The virtio devices of a partition, of any kind.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bulkhead::arch::addr::PAGE_SIZE;
use bulkhead::operator::console::Notify;
use bulkhead::util::rate_limit::RateLimit;
use bulkhead::virtio::Fault;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::el2::arch::sync::Mutex;
use crate::el2::console::say;
use crate::el2::cpu::{self, LINKS, timer};
use crate::el2::drivers::gic::Gic;
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

/// All virtio devices of a partition.
pub struct Devices {
    /// The devices, by their pages.
    pub devices: Vec<Box<dyn Device>>,
    /// The virtio console, which is one of the devices.
    pub console: Option<&'static dyn Console>,
    pub heads: &'static DeviceHeads,
    /// The number of visits that continued with work that was left. Wraps.
    pub visits: AtomicUsize,
}

impl LinkPorts for Devices {
    fn access(&self, LinkAccess { offset, size, stored }: LinkAccess) -> Option<u64> {
        let device = self.devices.get((offset / PAGE_SIZE) as usize);
        device.map_or(Some(0), |device| device.access(offset % PAGE_SIZE, size, stored))
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
        first.iter().chain(last).for_each(|device| device.poll(&mut visit));
    }

    fn run_console(&self, is_due: bool) -> Notify {
        self.console.map_or(Notify::No, |console| console.run(is_due))
    }

    fn stop(&self) -> bool {
        let mut is_free = true;
        // All of them, also after one that another CPU uses.
        for device in &self.devices {
            is_free &= device.stop();
        }
        is_free
    }
}

/// What a driver did wrong: the partition, and what its device is called, in parts; the mistake.
struct FaultLine<'a>(&'a [&'a str; 3], Fault);

impl fmt::Display for FaultLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| f.write_str(part))?;
        f.write_str(self.1.reason())
    }
}

/// Prints a line about a mistake of a driver, unless there were too many. `device` is the
/// partition, and what its device is called, in parts.
#[cold]
#[inline(never)]
pub fn say_fault(limit: &Mutex<RateLimit>, device: &[&str; 3], fault: Fault) {
    if limit.attempt().is_some_and(|mut lines| lines.allow(timer::now()).is_some()) {
        say!("{}", FaultLine(device, fault));
    }
}

/// Requests that this CPU continue with its partition's devices, once its other interrupts are
/// handled.
#[cold]
#[inline(never)]
pub fn continue_later(gic: &Gic) {
    if let Some(seat) = cpu::current().seat() {
        seat.wake.request(LINKS);
        seat.kick(gic);
    }
}
