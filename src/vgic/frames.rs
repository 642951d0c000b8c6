//! The frames of the distributor and the redistributors: their layout, and the registers that do
//! not describe interrupts.
//!
//! GICv3 has a redistributor for each vCPU, with the frames RD_base and SGI_base of 64 KiB each.
//! Any vCPU can access all of them. There are no LPIs.

use super::access::RegisterAccess;
use super::config::Version;
use super::controller::Vgic;
use super::cpu_mask::CpuMask;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::IntidSet;
use super::recall::{Kicks, Recall};
use super::registers::{RegisterKind, register_at};
use super::sgir::GICD_SGIR;

/// GICD_IIDR and GICR_IIDR: ProductID 'B', variant and revision 0, no JEP106 code of an
/// implementer.
const IMPLEMENTER: u64 = 0x4200_0000;

/// PIDR2: ArchRev in bits 7:4, the other bits as in Arm's implementations.
const ARCHITECTURE_V2: u64 = 0x2b;
const ARCHITECTURE_V3: u64 = 0x3b;

/// GICD_CTLR: EnableGrp0 and EnableGrp1.
const ENABLES: u32 = 0b11;

/// GICD_CTLR of GICv3: ARE and DS are one.
const ARE_AND_DS: u64 = 1 << 4 | 1 << 6;

/// GICD_CTLR of GICv3, RWP: a vCPU has yet to take the interrupts of a disabled group out of its
/// list registers. All other writes take effect at once.
const WRITE_PENDING: u64 = 1 << 31;

/// GICD_TYPER of GICv3: 10 INTID bits (IDbits), Aff3 supported (A3V), no 1-of-N interrupts (No1N).
const TYPER_V3: u32 = 9 << 19 | 1 << 24 | 1 << 25;

/// The size of RD_base and of SGI_base, in bytes.
const FRAME: u64 = 0x1_0000;

/// GICR_WAKER.ProcessorSleep, which the guest writes.
const PROCESSOR_SLEEP: u64 = 1 << 1;

/// GICR_WAKER.ChildrenAsleep, which always equals ProcessorSleep. Delivery depends on neither.
const CHILDREN_ASLEEP: u64 = 1 << 2;

// Offsets in the distributor (IHI 0048B, 4.1.2; IHI 0069, 12.8).
const GICD_CTLR: u64 = 0x0;
const GICD_TYPER: u64 = 0x4;
const GICD_IIDR: u64 = 0x8;
const GICD_CPENDSGIR: u64 = 0xf10;
const GICD_SPENDSGIR: u64 = 0xf20;
const SPENDSGIR_END: u64 = 0xf30;
const PIDR2_V2: u64 = 0xfe8;
/// GICD_IROUTER<n> is at this offset plus 8 n. The first 32 do not exist.
const GICD_IROUTER: u64 = 0x6000;
const IROUTER_END: u64 = 0x7fe0;

// Offsets in RD_base (IHI 0069, 12.10).
const GICR_IIDR: u64 = 0x4;
const GICR_TYPER: u64 = 0x8;
const GICR_TYPER_HIGH: u64 = 0xc;
const GICR_WAKER: u64 = 0x14;

/// The offset in the distributor, and in SGI_base for private interrupts.
const ISENABLER: u64 = StateRegister::SetEnable.of(IntidSet::NONE);

/// The offset in the distributor and in RD_base.
const PIDR2_V3: u64 = 0xffe8;

impl Vgic {
    /// Returns the register that describes interrupts at an access's offset, in a redistributor
    /// (`private`) or the distributor. On GICv3 private interrupts are in the redistributors, and
    /// IROUTER replaces ITARGETSR.
    fn register_at(
        &self,
        access: RegisterAccess,
        owner: usize,
        private: bool,
    ) -> Option<(RegisterKind, IntidSet)> {
        let (kind, set) = register_at(access, owner)?;
        let is_here = self.state.version == Version::V2
            || (set.word() == 0) == private && kind != RegisterKind::Targets;
        is_here.then_some((kind, set))
    }

    /// Carries out a store to ISENABLER in the redistributors (`private`) or the distributor if
    /// nothing needs to be delivered. Otherwise returns false without any effect.
    #[inline(always)]
    pub fn enable_at_once(
        &mut self,
        access: RegisterAccess,
        private: bool,
        hw: &mut impl Hardware,
    ) -> bool {
        if access.size != 4 {
            return false;
        }
        let (owner, word) = if private {
            let owner = (access.offset / (2 * FRAME)) as usize;
            let is_here = access.offset % (2 * FRAME) == FRAME + ISENABLER;
            if !is_here || owner >= self.state.vcpus.len() {
                return false;
            }
            (owner, 0)
        } else {
            let offset = access.offset.wrapping_sub(ISENABLER);
            // On GICv3 the first word is in the redistributors.
            let is_elsewhere = offset == 0 && self.state.version == Version::V3;
            if offset >= 0x80 || !offset.is_multiple_of(4) || is_elsewhere {
                return false;
            }
            (hw.vcpu(), offset as usize / 4)
        };
        self.enable_idle(IntidSet::new(owner, word, access.value as u32), hw)
    }

    /// Returns the value of a distributor register that depends on no interrupt's state: GICD_CTLR
    /// while no write of it is pending, GICD_TYPER or GICD_IIDR.
    #[inline(always)]
    pub fn plain_read(&self, access: RegisterAccess) -> Option<u64> {
        Some(match (access.offset, access.size, self.state.version) {
            (GICD_CTLR, 4, Version::V2) => u64::from(self.state.enables),
            (GICD_CTLR, 4, Version::V3) if self.state.unsettled.is_empty() => {
                u64::from(self.state.enables) | ARE_AND_DS
            }
            (GICD_TYPER, 4, _) => self.state.typer.into(),
            (GICD_IIDR, 4, _) => IMPLEMENTER,
            _ => return None,
        })
    }

    /// Returns GICD_CTLR.RWP.
    #[cold]
    fn is_write_pending(&self) -> bool {
        let mut unsettled = self.state.unsettled;
        unsettled.any(|vcpu| self.state.vcpus[vcpu].holds_any())
    }

    /// Carries out a guest's load from the distributor. Returns zero if there is no register, or
    /// none that allows an access of this size.
    ///
    /// # Errors
    /// [`Recall`] without any effect.
    pub fn distributor_read(
        &self,
        access: RegisterAccess,
        hw: &mut impl Hardware,
    ) -> Result<u64, Recall> {
        if let Some(value) = self.plain_read(access) {
            return Ok(value);
        }
        if let Some((kind, set)) = self.register_at(access, hw.vcpu(), false) {
            return self.read_register(kind, set, hw);
        }
        Ok(match (self.state.version, access.offset, access.size) {
            (Version::V3, GICD_CTLR, 4) => {
                let pending = if self.is_write_pending() { WRITE_PENDING } else { 0 };
                u64::from(self.state.enables) | ARE_AND_DS | pending
            }
            (Version::V2, PIDR2_V2, 4) => ARCHITECTURE_V2,
            (Version::V3, PIDR2_V3, 4) => ARCHITECTURE_V3,
            (Version::V2, GICD_CPENDSGIR..SPENDSGIR_END, 1 | 4) if access.is_aligned() => {
                self.read_pending_sgis(access, hw)
            }
            (Version::V3, GICD_IROUTER..IROUTER_END, 4 | 8) if access.is_aligned() => {
                access.part(self.read_router((access.offset - GICD_IROUTER) as u32 / 8))
            }
            _ => 0,
        })
    }

    /// Carries out a guest's store to the distributor. Returns the other vCPUs to kick.
    ///
    /// # Errors
    /// [`Recall`] without any effect.
    pub fn distributor_write(&mut self, access: RegisterAccess, hw: &mut impl Hardware) -> Kicks {
        let RegisterAccess { offset, size, value } = access;
        if let Some((kind, set)) = self.register_at(access, hw.vcpu(), false) {
            return self.write_register(kind, set, value as u32, hw);
        }
        match (self.state.version, offset, size) {
            (_, GICD_CTLR, 4) => Ok(self.write_control(value as u32 & ENABLES, hw)),
            (Version::V2, GICD_SGIR, 4) => Ok(self.write_sgir(value as u32, hw)),
            (Version::V2, GICD_CPENDSGIR..SPENDSGIR_END, 1 | 4) if access.is_aligned() => {
                self.write_pending_sgis(access, offset >= GICD_SPENDSGIR, hw)
            }
            (Version::V3, GICD_IROUTER..IROUTER_END, 4 | 8) if access.is_aligned() => {
                let intid = (offset - GICD_IROUTER) as u32 / 8;
                self.write_router(intid, access.replace(self.read_router(intid)), hw)
            }
            _ => Ok(CpuMask::EMPTY),
        }
    }

    /// Writes GICD_CTLR's group enables. Each vCPU carries out what follows from that for itself
    /// when it is kicked, so that the work of one visit does not grow with their number. Until then
    /// another vCPU can still take an interrupt of a disabled group, as it can with a distributor
    /// that has forwarded it already (IHI 0069, GICD_CTLR.RWP).
    fn write_control(&mut self, enables: u32, hw: &mut impl Hardware) -> CpuMask {
        let (gic, backend) = (&mut self.state, &mut self.backend);
        if gic.enables == enables {
            return CpuMask::EMPTY;
        }
        let kicks = backend.set_group_enables(gic, enables, hw);
        backend.deliver(gic, kicks, IntidSet::NONE, hw)
    }

    /// Returns GICD_TYPER of a GIC with this number of words of interrupts and vCPUs, both at least
    /// 1.
    pub(super) fn typer(version: Version, words: usize, vcpus: usize) -> u32 {
        let lines = words as u32 - 1;
        match version {
            Version::V2 => lines | ((vcpus as u32 - 1) & 7) << 5,
            Version::V3 => lines | TYPER_V3,
        }
    }

    /// Returns the vCPU whose redistributor is accessed, and the access relative to its start.
    fn redistributor_at(&self, access: RegisterAccess) -> Option<(usize, RegisterAccess)> {
        let owner = usize::try_from(access.offset / (2 * FRAME)).ok()?;
        let access = RegisterAccess { offset: access.offset % (2 * FRAME), ..access };
        (self.state.version == Version::V3 && owner < self.state.vcpus.len())
            .then_some((owner, access))
    }

    /// Returns the register of private interrupts at an access's offset in a redistributor.
    fn private_register_at(
        &self,
        access: RegisterAccess,
        owner: usize,
    ) -> Option<(RegisterKind, IntidSet)> {
        let offset = access.offset.checked_sub(FRAME)?;
        self.register_at(RegisterAccess { offset, ..access }, owner, true)
    }

    /// Carries out a guest's load from the redistributors, 0x20000 bytes for each vCPU. GICR_CTLR
    /// and other registers without an implemented bit read as zero.
    ///
    /// # Errors
    /// [`Recall`] without any effect.
    pub fn redistributor_read(
        &self,
        access: RegisterAccess,
        hw: &mut impl Hardware,
    ) -> Result<u64, Recall> {
        let Some((owner, access)) = self.redistributor_at(access) else { return Ok(0) };
        if let Some((kind, set)) = self.private_register_at(access, owner) {
            return self.read_register(kind, set, hw);
        }
        Ok(match (access.offset, access.size) {
            (GICR_IIDR, 4) => IMPLEMENTER,
            (GICR_TYPER, 4 | 8) | (GICR_TYPER_HIGH, 4) => {
                access.part(self.redistributor_type(owner))
            }
            (GICR_WAKER, 4) if self.state.vcpus[owner].asleep => PROCESSOR_SLEEP | CHILDREN_ASLEEP,
            (PIDR2_V3, 4) => ARCHITECTURE_V3,
            _ => 0,
        })
    }

    /// Carries out a guest's store to the redistributors. Returns the other vCPUs to kick.
    ///
    /// # Errors
    /// [`Recall`] without any effect.
    pub fn redistributor_write(&mut self, access: RegisterAccess, hw: &mut impl Hardware) -> Kicks {
        let Some((owner, access)) = self.redistributor_at(access) else {
            return Ok(CpuMask::EMPTY);
        };
        if let Some((kind, set)) = self.private_register_at(access, owner) {
            return self.write_register(kind, set, access.value as u32, hw);
        }
        if (access.offset, access.size) == (GICR_WAKER, 4) {
            self.state.vcpus[owner].asleep = access.value & PROCESSOR_SLEEP != 0;
        }
        Ok(CpuMask::EMPTY)
    }

    /// Returns GICR_TYPER: Affinity_Value, Processor_Number and Last.
    fn redistributor_type(&self, owner: usize) -> u64 {
        let is_last = owner.wrapping_add(1) == self.state.vcpus.len();
        u64::from(self.state.vcpus[owner].affinity) << 32
            | (owner as u64) << 8
            | u64::from(is_last) << 4
    }
}
