//! What a lane counts for its ports.

use crate::util::atomic::{AtomicU64, Ordering};

/// Numbers of packets of a port. The numbers wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Packets that it has sent, or writes to a console.
    pub packets: u64,
    /// Their bytes, without the headers of virtio.
    pub bytes: u64,
    /// Packets that were dropped: of those that it has sent, those that are wrong, and of those for
    /// it, those that its driver had no buffer for or could not take.
    pub drops: u64,
}

/// The counters of a port. Those of what it sends are written by the holder of the lock of the lane
/// in which it sends, and the other one by that of the lane in which it receives; any CPU may read,
/// without a lock.
#[derive(Debug, Default)]
pub struct PortCounters {
    packets: AtomicU64,
    bytes: AtomicU64,
    /// Packets that it has sent and that were dropped because they are wrong.
    wrong: AtomicU64,
    /// Packets for it that were dropped.
    lost: AtomicU64,
}

impl PortCounters {
    /// Counts a packet that the port has sent.
    #[inline(always)]
    pub(super) fn count_packet(&self, bytes: u64) {
        increase(&self.packets, 1);
        increase(&self.bytes, bytes);
    }

    /// Counts a packet that the port has sent and that was dropped.
    pub(super) fn count_wrong(&self) {
        increase(&self.wrong, 1);
    }

    /// Counts a packet for the port that was dropped.
    pub(super) fn count_lost(&self) {
        increase(&self.lost, 1);
    }

    /// Returns the numbers. They may be of different moments.
    // Inlined, so that it belongs to whoever shows them.
    #[inline(always)]
    pub fn read(&self) -> Counters {
        let [packets, bytes, wrong, lost] = [&self.packets, &self.bytes, &self.wrong, &self.lost]
            .map(|it| it.load(Ordering::Relaxed));
        Counters { packets, bytes, drops: wrong.wrapping_add(lost) }
    }
}

/// Increases a counter.
#[inline(always)]
fn increase(counter: &AtomicU64, by: u64) {
    // One CPU at a time writes, so that no count is lost between the load and the store.
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}
