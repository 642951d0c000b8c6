//! The distributor: what GICD has besides the registers that describe interrupts.

use super::hardware::Hardware;
use super::registers::Register;
use super::state::bits;
use super::{CpuMask, Recall, Version, Vgic};

/// GICD_IIDR and GICR_IIDR: ProductID 'B', variant and revision 0, no implementer's JEP106 code.
pub(super) const IIDR: u64 = 0x4200_0000;

/// GICD_CTLR: EnableGrp0 and EnableGrp1.
const ENABLES: u32 = 0b11;

/// GICD_CTLR of GICv3: ARE and DS read as one. A write has taken effect at once: RWP is zero.
const ARE_AND_DS: u64 = 1 << 4 | 1 << 6;

/// GICD_TYPER of GICv3: 10 bits of INTID, Aff3 can be set, no 1-of-N interrupts (No1N).
const TYPER_V3: u64 = 9 << 19 | 1 << 24 | 1 << 25;

/// A register of the distributor. Others, and sizes that a register does not take, read as zero and
/// ignore writes.
enum Distributor {
    /// GICD_CTLR.
    Control,
    /// GICD_TYPER.
    Type,
    /// GICD_IIDR.
    Implementer,
    /// GICD_PIDR2 (ICPIDR2 of GICv2).
    Peripheral2,
    /// One that describes interrupts.
    Interrupts(Register),
    /// GICD_SGIR of GICv2.
    SendSgi,
    /// GICD_CPENDSGIR or GICD_SPENDSGIR of GICv2 from this SGI on, and whether it is the latter.
    PendingSgi(usize, bool),
    /// GICD_IROUTER of GICv3, and whether it is all of it or which half.
    Router(u32, Part),
}

/// A part of a 64-bit register.
#[derive(Clone, Copy)]
pub(super) struct Part {
    shift: u64,
    mask: u64,
}

impl Part {
    /// What `size` bytes at `offset` are of the aligned eight bytes there; 4 or 8 bytes.
    pub fn at(offset: u64, size: u64) -> Option<Self> {
        match size {
            4 => Some(Self {
                shift: 8 * (offset & 4),
                mask: 0xffff_ffff,
            }),
            8 => Some(Self {
                shift: 0,
                mask: u64::MAX,
            }),
            _ => None,
        }
    }

    /// This part of the register.
    pub fn read(self, register: u64) -> u64 {
        register >> self.shift & self.mask
    }

    /// The register with this part replaced.
    fn write(self, register: u64, value: u64) -> u64 {
        register & !(self.mask << self.shift) | (value & self.mask) << self.shift
    }
}

impl Vgic {
    fn distributor_register(&self, offset: u64, size: u64) -> Option<Distributor> {
        if offset & size.wrapping_sub(1) != 0 {
            return None;
        }
        if let Some(register) = Register::at(offset, size) {
            let is_here = match self.version {
                Version::V2 => true,
                // The redistributors have those of SGIs and PPIs, IROUTER replaces ITARGETSR.
                Version::V3 => register.word() != 0 && !matches!(register, Register::Targets(_)),
            };
            return is_here.then_some(Distributor::Interrupts(register));
        }
        Some(match (self.version, offset, size) {
            (_, 0x0, 4) => Distributor::Control,
            (_, 0x4, 4) => Distributor::Type,
            (_, 0x8, 4) => Distributor::Implementer,
            (Version::V2, 0xf00, 4) => Distributor::SendSgi,
            (Version::V2, 0xf10..0xf20, 1 | 4) => {
                Distributor::PendingSgi(offset as usize & 0xf, false)
            }
            (Version::V2, 0xf20..0xf30, 1 | 4) => {
                Distributor::PendingSgi(offset as usize & 0xf, true)
            }
            (Version::V2, 0xfe8, 4) | (Version::V3, 0xffe8, 4) => Distributor::Peripheral2,
            (Version::V3, 0x6100..0x7fe0, 4 | 8) => {
                Distributor::Router((offset - 0x6000) as u32 / 8, Part::at(offset, size)?)
            }
            _ => return None,
        })
    }

    /// The guest loads `size` (1, 2, 4 or 8) bytes at `offset` of the distributor.
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
        let Some(register) = self.distributor_register(offset, size) else {
            return Ok(0);
        };
        Ok(match register {
            Distributor::Control => self.read_control(),
            Distributor::Type => self.read_type(),
            Distributor::Implementer => IIDR,
            Distributor::Peripheral2 => self.architecture_revision(),
            Distributor::Interrupts(register) => {
                return self.read_register(vcpu, vcpu, register, size, hw);
            }
            Distributor::SendSgi => 0,
            Distributor::PendingSgi(first, _) => self.read_pending_sgis(vcpu, first, size, hw),
            Distributor::Router(intid, part) => part.read(self.read_router(intid)),
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
        let Some(register) = self.distributor_register(offset, size) else {
            return Ok(CpuMask::EMPTY);
        };
        let word = value as u32;
        match register {
            Distributor::Control => self.write_control(vcpu, word, hw),
            Distributor::Interrupts(register) => {
                self.write_register(vcpu, vcpu, register, (size, word), hw)
            }
            Distributor::SendSgi => Ok(self.write_sgir(vcpu, word, hw)),
            Distributor::PendingSgi(first, set) => {
                self.write_pending_sgis(vcpu, (first, set), (size, word), hw)
            }
            Distributor::Router(intid, part) => {
                let value = part.write(self.read_router(intid), value);
                self.write_router(vcpu, intid, value, hw)
            }
            Distributor::Type | Distributor::Implementer | Distributor::Peripheral2 => {
                Ok(CpuMask::EMPTY)
            }
        }
    }

    fn read_control(&self) -> u64 {
        let enables = u64::from(self.enables);
        match self.version {
            Version::V2 => enables,
            Version::V3 => enables | ARE_AND_DS,
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

    /// PIDR2: ArchRev in bits 7:4, and in the rest what Arm's own implementations have.
    pub(super) fn architecture_revision(&self) -> u64 {
        match self.version {
            Version::V2 => 0x2b,
            Version::V3 => 0x3b,
        }
    }
}
