//! What a partition's CPUs need of its source of random numbers.

use crate::el2::mm::window::Window;

/// The random numbers of a partition. A trait object, because their code is unmapped unless the
/// machine has a source of entropy.
pub trait RandomNumbers: Send + Sync {
    /// Writes new seeds into the device tree in the partition's memory, to which a window is open.
    /// Called on the CPU of vCPU 0.
    ///
    /// # Safety
    ///
    /// - The window must be one onto the partition's memory, which must hold the device tree.
    /// - No vCPU of the partition may run, and no other CPU may write this memory.
    unsafe fn write_seeds(&self, memory: &Window);

    /// Answers a TRNG call of this vCPU, whose x0 to x3 are `x`, in the same place. Called on that
    /// vCPU's CPU.
    fn answer(&self, vcpu: usize, x: &mut [u64; 4]);
}
