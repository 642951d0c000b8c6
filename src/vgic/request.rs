//! Guest accesses that may have to wait for other vCPUs, as values.

use super::access::RegisterAccess;
use super::controller::Vgic;
use super::cpu_mask::CpuMask;
use super::hardware::Hardware;
use super::recall::Recall;

/// An access of a guest, which can be retried after a [`Recall`].
#[derive(Clone, Copy, Debug)]
pub enum Request {
    /// A load from the distributor.
    DistributorRead(RegisterAccess),
    /// A store to the distributor.
    DistributorWrite(RegisterAccess),
    /// A load from the redistributors.
    RedistributorRead(RegisterAccess),
    /// A store to the redistributors.
    RedistributorWrite(RegisterAccess),
    /// A write of this value to GICC_DIR or ICC_DIR_EL1.
    Deactivate(u64),
}

impl Vgic {
    /// Carries out an access. Returns the value that a load reads, and the other vCPUs to kick.
    ///
    /// # Errors
    /// [`Recall`] without any effect.
    pub fn carry_out(
        &mut self,
        request: &Request,
        hw: &mut impl Hardware,
    ) -> Result<(u64, CpuMask), Recall> {
        let (value, kicks) = match *request {
            Request::DistributorRead(access) => {
                (self.distributor_read(access, hw)?, CpuMask::EMPTY)
            }
            Request::DistributorWrite(access) => (0, self.distributor_write(access, hw)?),
            Request::RedistributorRead(access) => {
                (self.redistributor_read(access, hw)?, CpuMask::EMPTY)
            }
            Request::RedistributorWrite(access) => (0, self.redistributor_write(access, hw)?),
            Request::Deactivate(value) => (0, self.deactivate(value, hw)?),
        };
        Ok((value, kicks))
    }
}
