//! What an access says that needs other vCPUs' list registers.

use super::cpu_mask::CpuMask;

/// An access was not carried out, because its outcome stands in list registers of these other vCPUs.
///
/// Have each of them leave its guest, call [`Vgic::recall`](super::Vgic::recall) there, and stay out until the access,
/// begun again, has succeeded; then each calls [`Vgic::refill`](super::Vgic::refill) and goes on. A CPU that waits for
/// this must itself answer such requests, or two of them wait for each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recall(pub CpuMask);

impl Recall {
    /// Demands this of vCPUs, unless there are none.
    pub(super) fn of(vcpus: CpuMask) -> Result<(), Self> {
        if vcpus.is_empty() { Ok(()) } else { Err(Self(vcpus)) }
    }
}

/// The vCPUs that an access makes look at their list registers, once it is carried out.
pub type Kicks = Result<CpuMask, Recall>;
