//! What a partition's CPUs need of the SMMUs.

use bulkhead::arch::intid::Intid;
use bulkhead::smmu::StreamState;

/// The streams of a partition's devices. A trait object, because their code is unmapped unless a
/// description gives a device behind an SMMU.
pub trait Streams: Send + Sync {
    /// Opens or closes all of them. When streams are closed, no access of their devices is under
    /// way any more.
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
