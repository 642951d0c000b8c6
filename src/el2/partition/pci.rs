//! What a partition's CPUs need of its PCI Express functions.

/// A partition's PCI Express functions. A trait object, because their code is unmapped unless a
/// partition has some.
pub trait PciFunctions: Send + Sync {
    /// Carries out an access of `size` bytes to the configuration space of the guest's bus, or to the
    /// frame for messages behind it, at this offset: a store of `stored`, or a load if it is `None`.
    /// Returns the value loaded. A store returns 0, or what the guest could have stored to make an SPI
    /// pending: the offset of a GICD_ISPENDR<n> in bits 63:32, and its value.
    fn access(&self, offset: u64, size: u64, stored: Option<u64>) -> u64;

    /// Takes the bus from all functions: they access no memory and assert no interrupt any more. No
    /// vCPU may run the guest, until all are reset.
    fn stop(&self);

    /// Goes on with the resets of functions that were stopped, and returns whether all are reset.
    /// One that cannot be is not there for the guest any more.
    fn reset(&self) -> bool;
}
