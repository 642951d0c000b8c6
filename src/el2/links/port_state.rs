//! The state of the device at a port.

use bulkhead::virtio::queue::Queue;
use bulkhead::virtio::registers::Registers;

/// The state of the device at a port, as the partition's own CPUs use it.
pub struct State {
    pub registers: Registers,
    /// The queue of events, once it was used.
    pub events: Option<Queue>,
}
