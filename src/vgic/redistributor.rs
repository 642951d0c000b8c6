//! GICv3's redistributors: for each vCPU a frame RD_base and a frame SGI_base of 64 KiB. Any vCPU
//! can reach all of them. They have no LPIs.

use super::distributor::{IIDR, Part};
use super::hardware::Hardware;
use super::registers::Register;
use super::{CpuMask, Recall, Version, Vgic};

/// The size of each frame in bytes.
const FRAME: u64 = 0x1_0000;

/// GICR_WAKER.ProcessorSleep, which the guest sets.
const PROCESSOR_SLEEP: u64 = 1 << 1;

/// GICR_WAKER.ChildrenAsleep, which follows it at once. Delivery does not depend on either.
const CHILDREN_ASLEEP: u64 = 1 << 2;

/// A register of a redistributor. GICR_CTLR and others of which we have no bit read as zero.
enum Redistributor {
    /// GICR_IIDR.
    Implementer,
    /// GICR_TYPER, or which half.
    Type(Part),
    /// GICR_WAKER.
    Waker,
    /// GICR_PIDR2.
    Peripheral2,
    /// One that describes SGIs and PPIs.
    Interrupts(Register),
}

impl Vgic {
    /// The vCPU whose redistributor is at `offset`, and the register there.
    fn redistributor_register(&self, offset: u64, size: u64) -> Option<(usize, Redistributor)> {
        if self.version != Version::V3 || offset & size.wrapping_sub(1) != 0 {
            return None;
        }
        let owner = usize::try_from(offset / (2 * FRAME)).ok()?;
        if owner >= self.vcpus.len() {
            return None;
        }
        let register = match (offset % (2 * FRAME), size) {
            (0x4, 4) => Redistributor::Implementer,
            (0x8 | 0xc, 4 | 8) => Redistributor::Type(Part::at(offset, size)?),
            (0x14, 4) => Redistributor::Waker,
            (0xffe8, 4) => Redistributor::Peripheral2,
            (offset @ FRAME.., _) => {
                let register = Register::at(offset - FRAME, size)?;
                if register.word() != 0 || matches!(register, Register::Targets(_)) {
                    return None;
                }
                Redistributor::Interrupts(register)
            }
            _ => return None,
        };
        Some((owner, register))
    }

    /// The guest loads `size` bytes at `offset` of the redistributors: 0x20000 bytes for each vCPU.
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
        let Some((owner, register)) = self.redistributor_register(offset, size) else {
            return Ok(0);
        };
        Ok(match register {
            Redistributor::Implementer => IIDR,
            Redistributor::Type(part) => part.read(self.redistributor_type(owner)),
            Redistributor::Waker if self.vcpus[owner].asleep => PROCESSOR_SLEEP | CHILDREN_ASLEEP,
            Redistributor::Waker => 0,
            Redistributor::Peripheral2 => self.architecture_revision(),
            Redistributor::Interrupts(register) => {
                return self.read_register(vcpu, owner, register, size, hw);
            }
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
        match self.redistributor_register(offset, size) {
            Some((owner, Redistributor::Interrupts(register))) => {
                self.write_register(vcpu, owner, register, (size, value as u32), hw)
            }
            Some((owner, Redistributor::Waker)) => {
                self.vcpus[owner].asleep = value & PROCESSOR_SLEEP != 0;
                Ok(CpuMask::EMPTY)
            }
            Some((
                _,
                Redistributor::Implementer | Redistributor::Type(_) | Redistributor::Peripheral2,
            ))
            | None => Ok(CpuMask::EMPTY),
        }
    }

    /// GICR_TYPER: Affinity_Value, Processor_Number and Last.
    fn redistributor_type(&self, owner: usize) -> u64 {
        let is_last = owner + 1 == self.vcpus.len();
        u64::from(self.vcpus[owner].affinity) << 32 | (owner as u64) << 8 | u64::from(is_last) << 4
    }
}
