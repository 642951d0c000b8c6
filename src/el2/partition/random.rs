//! What a partition's CPUs need of its source of random numbers.

/// The random numbers of a partition. A trait object, because their code is unmapped unless the
/// machine has a source of entropy.
pub trait RandomNumbers: Send + Sync {
    /// Writes new seeds into the device tree in the partition's memory. Called on the CPU of vCPU 0.
    ///
    /// # Safety
    ///
    /// - The partition's memory must be open to EL2 and hold the device tree.
    /// - No vCPU of the partition may run, and no other CPU may write this memory.
    unsafe fn write_seeds(&self);

    /// Answers a TRNG call of this vCPU, whose x0 to x3 are `x`, in the same place. Called on that
    /// vCPU's CPU.
    fn answer(&self, vcpu: usize, x: &mut [u64; 4]);
}
