//! GICv3's redistributors: for each vCPU a frame RD_base and a frame SGI_base of 64 KiB. Any vCPU
//! can reach all of them. They have no LPIs.

use super::distributor::{ARCHITECTURE_V3, IMPLEMENTER, PIDR2, part};
use super::hardware::Hardware;
use super::registers::Register;
use super::{CpuMask, Recall, Version, Vgic};

/// The size of each frame in bytes.
const FRAME: u64 = 0x1_0000;

/// GICR_WAKER.ProcessorSleep, which the guest sets.
const PROCESSOR_SLEEP: u64 = 1 << 1;

/// GICR_WAKER.ChildrenAsleep, which follows it at once. Delivery does not depend on either.
const CHILDREN_ASLEEP: u64 = 1 << 2;

/// Offsets in RD_base (IHI 0069, 12.10).
const IIDR: u64 = 0x4;
const TYPER: u64 = 0x8;
const TYPER_HIGH: u64 = 0xc;
const WAKER: u64 = 0x14;

/// The register of SGIs and PPIs at this offset of both frames, if there is one.
fn interrupts_at(offset: u64, size: u64) -> Option<Register> {
    let register = Register::at(offset.checked_sub(FRAME)?, size)?;
    let is_here = register.word() == 0 && !matches!(register, Register::Targets(_));
    is_here.then_some(register)
}

impl Vgic {
    /// The vCPU whose redistributor is at `offset`, and the offset in its frames.
    fn redistributor_at(&self, offset: u64) -> Option<(usize, u64)> {
        let owner = usize::try_from(offset / (2 * FRAME)).ok()?;
        (self.version == Version::V3 && owner < self.vcpus.len())
            .then_some((owner, offset % (2 * FRAME)))
    }

    /// The guest loads `size` bytes at `offset` of the redistributors: 0x20000 bytes for each vCPU.
    /// GICR_CTLR and other registers of which we have no bit read zero.
    ///
    /// # Errors
    /// [`Recall`]: nothing was done yet.
    pub fn redistributor_read(
        &mut self,
        vcpu: usize,
        offset: u64,
        size: u64,
        hw: &mut impl Hardware,
    ) -> Result<u64, Recall> {
        let Some((owner, offset)) = self.redistributor_at(offset) else {
            return Ok(0);
        };
        if let Some(register) = interrupts_at(offset, size) {
            return self.read_register(vcpu, owner, register, size, hw);
        }
        Ok(match (offset, size) {
            (IIDR, 4) => IMPLEMENTER,
            (TYPER, 4 | 8) | (TYPER_HIGH, 4) => part(self.redistributor_type(owner), offset, size),
            (WAKER, 4) if self.vcpus[owner].asleep => PROCESSOR_SLEEP | CHILDREN_ASLEEP,
            (PIDR2, 4) => ARCHITECTURE_V3,
            _ => 0,
        })
    }

    /// The guest stores `value` there. Returns the vCPUs to kick.
    ///
    /// # Errors
    /// [`Recall`]: nothing was done yet.
    pub fn redistributor_write(
        &mut self,
        vcpu: usize,
        offset: u64,
        size: u64,
        value: u64,
        hw: &mut impl Hardware,
    ) -> Result<CpuMask, Recall> {
        let Some((owner, offset)) = self.redistributor_at(offset) else {
            return Ok(CpuMask::EMPTY);
        };
        if let Some(register) = interrupts_at(offset, size) {
            return self.write_register(vcpu, owner, register, (size, value as u32), hw);
        }
        if (offset, size) == (WAKER, 4) {
            self.vcpus[owner].asleep = value & PROCESSOR_SLEEP != 0;
        }
        Ok(CpuMask::EMPTY)
    }

    /// GICR_TYPER: Affinity_Value, Processor_Number and Last.
    fn redistributor_type(&self, owner: usize) -> u64 {
        let is_last = owner + 1 == self.vcpus.len();
        u64::from(self.vcpus[owner].affinity) << 32 | (owner as u64) << 8 | u64::from(is_last) << 4
    }
}
