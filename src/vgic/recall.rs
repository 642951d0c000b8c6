//! The result of a guest's access: the vCPUs to kick, or those to recall first.

use super::cpu_mask::CpuMask;

/// The error of an access that needs state held in the list registers of these other vCPUs. The
/// access had no effect.
///
/// Each of these vCPUs must leave its guest, call [`Vgic::recall`](super::Vgic::recall) on its own
/// CPU and stay outside the guest until a retry of the access has succeeded. It then calls
/// [`Vgic::refill`](super::Vgic::refill) and enters its guest again. A CPU that waits for recalled
/// vCPUs must itself respond to recalls; otherwise two CPUs can wait for each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recall(pub CpuMask);

impl Recall {
    /// Returns an error that recalls these vCPUs, or `Ok` if the set is empty.
    pub(super) fn of(vcpus: CpuMask) -> Result<(), Self> {
        if vcpus.is_empty() { Ok(()) } else { Err(Self(vcpus)) }
    }
}

/// The other vCPUs to kick after an access: they must leave their guests and refill their list
/// registers.
pub type Kicks = Result<CpuMask, Recall>;
