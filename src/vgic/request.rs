//! What a guest asks of its interrupt controller that may have to wait for other vCPUs.

use super::access::RegisterAccess;
use super::controller::Vgic;
use super::cpu_mask::CpuMask;
use super::hardware::Hardware;
use super::recall::Recall;

/// Something that the guest does, as a value, so that it can be begun again.
#[derive(Clone, Copy, Debug)]
pub enum Request {
    /// It loads from the distributor.
    DistributorRead(RegisterAccess),
    /// It stores to the distributor.
    DistributorWrite(RegisterAccess),
    /// It loads from the redistributors.
    RedistributorRead(RegisterAccess),
    /// It stores to the redistributors.
    RedistributorWrite(RegisterAccess),
    /// It writes this to GICC_DIR or ICC_DIR_EL1.
    Deactivate(u64),
}

impl Vgic {
    /// Does what the guest asked for. Returns what a load reads, and the vCPUs to kick.
    ///
    /// # Errors
    /// [`Recall`]: nothing was done yet.
    pub fn carry_out(
        &mut self,
        request: Request,
        hw: &mut impl Hardware,
    ) -> Result<(u64, CpuMask), Recall> {
        let (value, kicks) = match request {
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
