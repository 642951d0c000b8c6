//! The distributor: what GICD has besides the registers that describe interrupts.

use super::hardware::Hardware;
use super::registers::Register;
use super::state::bits;
use super::{CpuMask, Recall, Version, Vgic};

/// GICD_IIDR and GICR_IIDR: ProductID 'B', variant and revision 0, no implementer's JEP106 code.
pub(super) const IMPLEMENTER: u64 = 0x4200_0000;

/// PIDR2 of GICv3: ArchRev in bits 7:4, and in the rest what Arm's own implementations have.
pub(super) const ARCHITECTURE_V3: u64 = 0x3b;

/// GICD_CTLR: EnableGrp0 and EnableGrp1.
const ENABLES: u32 = 0b11;

/// GICD_CTLR of GICv3: ARE and DS read as one. A write has taken effect at once: RWP is zero.
const ARE_AND_DS: u64 = 1 << 4 | 1 << 6;

/// GICD_TYPER of GICv3: 10 bits of INTID, Aff3 can be set, no 1-of-N interrupts (No1N).
const TYPER_V3: u64 = 9 << 19 | 1 << 24 | 1 << 25;

/// The upper half of a 64-bit register.
const HIGH: u64 = 0xffff_ffff_0000_0000;

/// Offsets of registers (IHI 0048B, 4.1.2; IHI 0069, 12.8).
const CTLR: u64 = 0x0;
const TYPER: u64 = 0x4;
const IIDR: u64 = 0x8;
const SGIR: u64 = 0xf00;
const CPENDSGIR: u64 = 0xf10;
const SPENDSGIR: u64 = 0xf20;
const SGIR_END: u64 = 0xf30;
const PIDR2_V2: u64 = 0xfe8;
/// IROUTER of INTID n is 8 n from here; the first 32 do not exist.
const IROUTER: u64 = 0x6000;
const IROUTER_END: u64 = 0x7fe0;
pub(super) const PIDR2: u64 = 0xffe8;

/// Whether an access does not cross its own size.
pub(super) fn is_aligned(offset: u64, size: u64) -> bool {
    offset & size.wrapping_sub(1) == 0
}

/// What an access of 4 or 8 bytes at `offset` reads of a 64-bit register.
pub(super) fn part(register: u64, offset: u64, size: u64) -> u64 {
    match size {
        8 => register,
        _ => register >> (8 * (offset & 4)) & 0xffff_ffff,
    }
}

impl Vgic {
    /// The register at `offset` of the distributor that describes interrupts, if there is one. On
    /// GICv3 the redistributors have those of SGIs and PPIs, and IROUTER replaces ITARGETSR.
    fn interrupts_at(&self, offset: u64, size: u64) -> Option<Register> {
        let is_here = |register: &Register| match self.version {
            Version::V2 => true,
            Version::V3 => register.word() != 0 && !matches!(register, Register::Targets(_)),
        };
        Register::at(offset, size).filter(is_here)
    }

    /// The guest loads `size` (1, 2, 4 or 8) bytes at `offset` of the distributor. Where there is no
    /// register, or none that takes accesses of this size, it reads zero.
    ///
    /// # Errors
    /// [`Recall`]: nothing was done yet.
    pub fn distributor_read(
        &mut self,
        vcpu: usize,
        offset: u64,
        size: u64,
        hw: &mut impl Hardware,
    ) -> Result<u64, Recall> {
        if let Some(register) = self.interrupts_at(offset, size) {
            return self.read_register(vcpu, vcpu, register, size, hw);
        }
        Ok(match (self.version, offset, size) {
            (Version::V2, CTLR, 4) => u64::from(self.enables),
            (Version::V3, CTLR, 4) => u64::from(self.enables) | ARE_AND_DS,
            (_, TYPER, 4) => self.read_type(),
            (_, IIDR, 4) => IMPLEMENTER,
            (Version::V2, PIDR2_V2, 4) => 0x2b,
            (Version::V3, PIDR2, 4) => ARCHITECTURE_V3,
            (Version::V2, CPENDSGIR..SGIR_END, 1 | 4) if is_aligned(offset, size) => {
                self.read_pending_sgis(vcpu, (offset & 0xf) as usize, size, hw)
            }
            (Version::V3, IROUTER..IROUTER_END, 4 | 8) if is_aligned(offset, size) => {
                part(self.read_router((offset - IROUTER) as u32 / 8), offset, size)
            }
            _ => 0,
        })
    }

    /// The guest stores `value` there. Returns the vCPUs to kick.
    ///
    /// # Errors
    /// [`Recall`]: nothing was done yet.
    pub fn distributor_write(
        &mut self,
        vcpu: usize,
        offset: u64,
        size: u64,
        value: u64,
        hw: &mut impl Hardware,
    ) -> Result<CpuMask, Recall> {
        let word = value as u32;
        if let Some(register) = self.interrupts_at(offset, size) {
            return self.write_register(vcpu, vcpu, register, (size, word), hw);
        }
        match (self.version, offset, size) {
            (_, CTLR, 4) => self.write_control(vcpu, word, hw),
            (Version::V2, SGIR, 4) => Ok(self.write_sgir(vcpu, word, hw)),
            (Version::V2, CPENDSGIR..SGIR_END, 1 | 4) if is_aligned(offset, size) => {
                let sgi = (offset & 0xf) as usize;
                self.write_pending_sgis(vcpu, (sgi, offset >= SPENDSGIR), (size, word), hw)
            }
            (Version::V3, IROUTER..IROUTER_END, 4 | 8) if is_aligned(offset, size) => {
                let intid = (offset - IROUTER) as u32 / 8;
                let whole = match (size, offset & 4) {
                    (8, _) => value,
                    (_, 0) => self.read_router(intid) & HIGH | value & !HIGH,
                    _ => self.read_router(intid) & !HIGH | value << 32,
                };
                self.write_router(vcpu, intid, whole, hw)
            }
            _ => Ok(CpuMask::EMPTY),
        }
    }

    /// A group that is disabled is taken out of all list registers before the write returns.
    fn write_control(
        &mut self,
        vcpu: usize,
        value: u32,
        hw: &mut impl Hardware,
    ) -> Result<CpuMask, Recall> {
        let enables = value & ENABLES;
        let mut kicks = CpuMask::EMPTY;
        if self.enables & !enables != 0 {
            let others = self.listing().without(vcpu);
            if !others.is_empty() {
                return Err(Recall(others));
            }
            kicks = self.recall(vcpu, hw);
        }
        if self.enables != enables {
            self.enable_groups(enables);
            for owner in 0..self.vcpus.len() {
                kicks |= self.awaiting(owner, 0, u32::MAX);
            }
            for word in bits(self.busy) {
                kicks |= self.awaiting(vcpu, word, u32::MAX);
            }
        }
        Ok(self.settle(vcpu, kicks, hw))
    }

    fn read_type(&self) -> u64 {
        let lines = self.spis.len() as u64;
        match self.version {
            Version::V2 => lines | ((self.vcpus.len() as u64).saturating_sub(1) & 7) << 5,
            Version::V3 => lines | TYPER_V3,
        }
    }
}
