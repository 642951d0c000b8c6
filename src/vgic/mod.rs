//! The interrupt controller that a guest sees.
//!
//! The guest's CPU interface is the hardware's virtual one (GICV, or the ICV registers), and each
//! vCPU has a physical CPU to itself. What is emulated is the distributor and, on GICv3, the
//! redistributors (IHI 0048B, IHI 0069), by one [`Vgic`] for each partition.

mod cpu_mask;
mod hardware;
mod list_register;

use crate::intid::Intid;
use crate::machine::Mpidr;

pub use cpu_mask::CpuMask;
pub use hardware::{Hardware, StateRegister};
pub use list_register::ListRegister;

/// The version of the GIC architecture that a partition sees: the machine's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// IHI 0048B.
    V2,
    /// IHI 0069, with affinity routing only and a single Security state.
    V3,
}

/// What a partition's GIC is made from.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// The version.
    pub version: Version,
    /// The affinity of each vCPU as the guest reads it from MPIDR_EL1: 1 to 64, at most 8 on GICv2.
    pub affinities: &'a [Mpidr],
    /// GICD_TYPER.ITLinesNumber: there are 32 (n + 1) INTIDs. 0 to 31.
    pub it_lines_number: u32,
    /// The physical interrupts that the partition owns: PPIs, of each of its CPUs, and SPIs.
    pub hardware: &'a [Intid],
    /// The interrupts that Bulkhead raises by [`Vgic::set_line`]: PPIs and SPIs.
    pub software: &'a [Intid],
}

/// The system register of a GICv3 that the guest wrote to send an SGI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SgiRegister {
    /// ICC_SGI0R_EL1.
    Sgi0,
    /// ICC_SGI1R_EL1.
    Sgi1,
    /// ICC_ASGI1R_EL1.
    Asgi1,
}

/// An access was not carried out, because its outcome stands in list registers of these other vCPUs.
///
/// Have each of them leave its guest, call [`Vgic::recall`] there, and stay out until the access,
/// begun again, has succeeded; then each calls [`Vgic::refill`] and goes on. A CPU that waits for
/// this must itself answer such requests, or two of them wait for each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recall(pub CpuMask);

/// The interrupt controller of one partition.
///
/// `vcpu` is always the index of the vCPU whose physical CPU makes the call, and `hw` that CPU's
/// view of the machine's GIC. Where a [`CpuMask`] comes back, those vCPUs must leave their guests
/// (a doorbell) and call [`refill`](Self::refill), if they are running at all.
#[derive(Debug)]
pub struct Vgic {}

impl Vgic {
    /// A GIC after [`reset`](Self::reset), but for the physical GIC. The only method that allocates.
    #[must_use]
    pub fn new(_config: &Config<'_>) -> Self {
        Self {}
    }

    /// The state of a GIC out of reset, for the partition's start and restart, while none of its
    /// vCPUs runs: all owned SPIs are disabled, inactive and routed to vCPU 0 in the physical GIC.
    pub fn reset(&mut self, _hw: &mut impl Hardware) {}

    /// The same for what is this CPU's own: its list registers and its owned PPIs. Called on each
    /// CPU after [`reset`](Self::reset), before the guest runs there. Not for CPU_OFF and CPU_ON,
    /// through which a redistributor's state lasts: those are [`recall`](Self::recall) and
    /// [`refill`](Self::refill).
    pub fn reset_private(&mut self, _vcpu: usize, _hw: &mut impl Hardware) {}

    /// An owned physical interrupt was acknowledged and its priority dropped on this CPU.
    pub fn interrupt(&mut self, _vcpu: usize, _intid: Intid, _hw: &mut impl Hardware) -> CpuMask {
        CpuMask::EMPTY
    }

    /// The maintenance interrupt came in.
    pub fn maintenance(&mut self, vcpu: usize, hw: &mut impl Hardware) -> CpuMask {
        self.refill(vcpu, hw)
    }

    /// Brings this CPU's list registers up to date: after a doorbell, and before a vCPU is entered
    /// that was off or recalled.
    pub fn refill(&mut self, _vcpu: usize, _hw: &mut impl Hardware) -> CpuMask {
        CpuMask::EMPTY
    }

    /// Takes everything out of this CPU's list registers: see [`Recall`]; also before a vCPU is
    /// switched off.
    pub fn recall(&mut self, _vcpu: usize, _hw: &mut impl Hardware) -> CpuMask {
        CpuMask::EMPTY
    }

    /// The guest loads `size` (1, 2, 4 or 8) bytes at `offset` of the distributor.
    ///
    /// # Errors
    /// [`Recall`]: nothing was done yet.
    pub fn distributor_read(
        &mut self,
        _vcpu: usize,
        _offset: u64,
        _size: u64,
        _hw: &mut impl Hardware,
    ) -> Result<u64, Recall> {
        Ok(0)
    }

    /// The guest stores `value` there. Returns the vCPUs to kick.
    ///
    /// # Errors
    /// [`Recall`]: nothing was done yet.
    pub fn distributor_write(
        &mut self,
        _vcpu: usize,
        _offset: u64,
        _size: u64,
        _value: u64,
        _hw: &mut impl Hardware,
    ) -> Result<CpuMask, Recall> {
        Ok(CpuMask::EMPTY)
    }

    /// The guest loads `size` bytes at `offset` of the redistributors: 0x20000 bytes for each vCPU.
    ///
    /// # Errors
    /// [`Recall`]: nothing was done yet.
    pub fn redistributor_read(
        &mut self,
        _vcpu: usize,
        _offset: u64,
        _size: u64,
        _hw: &mut impl Hardware,
    ) -> Result<u64, Recall> {
        Ok(0)
    }

    /// The guest stores `value` there. Returns the vCPUs to kick.
    ///
    /// # Errors
    /// [`Recall`]: nothing was done yet.
    pub fn redistributor_write(
        &mut self,
        _vcpu: usize,
        _offset: u64,
        _size: u64,
        _value: u64,
        _hw: &mut impl Hardware,
    ) -> Result<CpuMask, Recall> {
        Ok(CpuMask::EMPTY)
    }

    /// The guest wrote `value` to one of GICv3's registers that send SGIs.
    pub fn send_sgi(
        &mut self,
        _vcpu: usize,
        _register: SgiRegister,
        _value: u64,
        _hw: &mut impl Hardware,
    ) -> CpuMask {
        CpuMask::EMPTY
    }

    /// The line of a software interrupt is now high or low.
    pub fn set_line(
        &mut self,
        _vcpu: usize,
        _intid: Intid,
        _high: bool,
        _hw: &mut impl Hardware,
    ) -> CpuMask {
        CpuMask::EMPTY
    }

    /// The guest wrote `value` to GICC_DIR (which always traps) or ICC_DIR_EL1 (under TDIR).
    ///
    /// # Errors
    /// [`Recall`]: nothing was done yet.
    pub fn deactivate(
        &mut self,
        _vcpu: usize,
        _value: u64,
        _hw: &mut impl Hardware,
    ) -> Result<CpuMask, Recall> {
        Ok(CpuMask::EMPTY)
    }
}
