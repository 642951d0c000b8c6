//! What a partition's CPUs need of the SMMUs.

use bulkhead::arch::intid::Intid;
use bulkhead::smmu::StreamState;

use super::Partition;

/// The streams of a partition's devices. A trait object, because their code is unmapped unless a
/// description gives a device behind an SMMU.
pub trait Streams: Send + Sync {
    /// Opens or closes all of them. When streams are closed, no access of their devices is under
    /// way any more, and no message of theirs is pending that an ITS has taken.
    ///
    /// Returns whether that is done; otherwise another CPU is at work with an SMMU, and this must
    /// be called again.
    fn set(&self, state: StreamState) -> bool;
}

/// The interrupts of the SMMUs, which are Bulkhead's own. A trait object for the same reason.
pub trait SmmuInterrupts: Sync {
    /// Returns whether an SMMU raises this interrupt.
    fn raise(&self, intid: Intid) -> bool;

    /// Handles what the SMMUs have recorded, or a part of it: then it makes the interrupt pending
    /// again.
    fn handle(&self);
}

/// The ITS that takes the messages of partitions' functions. A trait object for the same reason.
pub trait Messages: Sync {
    /// Has the message of an LPI that arrived on another CPU of this partition arrive on that of the
    /// vCPU to which the guest has routed its SPI, from the next one on.
    fn follow(&self, partition: &Partition, lpi: u32);
}
