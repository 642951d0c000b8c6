//! The physical interrupt controller: GICv2 or GICv3.

mod lpis;
mod shared;
mod this_cpu;
mod triggers;
mod v2;
mod v3;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ICH_HCR_EL2, Readable, Writeable};
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::machine::{self, gic_registers};
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::planned::DeviceKind;
use bulkhead::vgic::{Arrivals, CpuMask, Delivery, Injection, SgirRoute};

use super::mmio::Registers;

pub use lpis::LpiTables;
pub use shared::PendingBit;
pub use this_cpu::{ThisCpu, VcpuPosition};

/// The INTID in GICC_IAR, which has the source CPU of an SGI above it (IHI 0048B, 4.4.4).
const GICC_IAR_INTID: u32 = 0x3ff;
/// The INTID in ICC_IAR1_EL1 (IHI 0069, 12.2.14). That of an extended interrupt, which is disabled,
/// is not taken for one of another interrupt.
const ICC_IAR_INTID: u32 = 0xff_ffff;

// Offsets in the distributor, and in a redistributor's second frame.
const IPRIORITYR: u64 = 0x400;
const ICFGR: u64 = 0xc00;

/// En of GICH_HCR and ICH_HCR_EL2: the virtual CPU interface is enabled.
const HCR_ENABLE: u32 = 1;
/// TC of ICH_HCR_EL2: the guest's accesses to registers common to both groups trap.
const HCR_TRAP_COMMON: u32 = 1 << 10;

/// Maps a frame of registers for a driver.
pub type MapFrame<'a> = &'a dyn Fn(Region<Pa>) -> Registers;

/// The machine's GIC.
#[repr(u8)]
#[expect(clippy::large_enum_variant, reason = "one value exists, and it never moves")]
pub enum Gic {
    /// GICv2.
    V2(v2::GicV2),
    /// GICv3.
    V3(v3::GicV3),
}

/// An interrupt that was acknowledged at the CPU interface.
#[derive(Clone, Copy)]
pub struct Acknowledged {
    /// Its number, or that of the interrupt for which it stands, if it is an LPI.
    pub intid: Intid,
    /// The value of GICC_IAR or ICC_IAR1_EL1, with which it is ended and deactivated.
    value: u64,
}

/// The outcome of [`Gic::take`].
pub enum TakeOutcome {
    /// An interrupt of the guest was written into a list register.
    Injected,
    /// The same, and the virtual timer, whose interrupt it is, must be masked.
    MaskTimer,
    /// The same, and the virtual timer, whose interrupt it is, must be observed.
    ObserveTimer,
    /// Another interrupt was acknowledged.
    Other(Acknowledged),
    /// No interrupt was pending.
    Nothing,
}

impl Acknowledged {
    /// Decodes GICC_IAR or ICC_IAR1_EL1, which has the INTID in `mask`; `None` for a special INTID.
    #[inline(always)]
    fn new(value: u64, mask: u32) -> Option<Self> {
        let number = value as u32 & mask;
        Some(Self { intid: Intid::new(number).or_else(|| Intid::of_lpi(number))?, value })
    }

    /// Returns the number of the LPI, if it is one. An LPI is never active.
    #[inline(always)]
    pub fn lpi(&self) -> Option<u32> {
        (self.value >= Intid::LPI_START.into()).then_some(self.value as u32)
    }
}

impl Gic {
    /// Maps the controller's frames, without changing its state.
    #[inline(always)]
    pub fn new(machine: &machine::Gic, map: MapFrame<'_>) -> Self {
        match machine {
            machine::Gic::V2 { distributor, cpu_interface, hypervisor, .. } => {
                let frames = [distributor, cpu_interface, hypervisor];
                let gicc = *cpu_interface;
                let [distributor, cpu_interface, hypervisor] = frames.map(|frame| map(*frame));
                let offset = gic_registers::gicc_offset(gicc, &|it| cpu_interface.read(it));
                let cpu_interface = cpu_interface.from(offset);
                Self::V2(v2::GicV2::new(distributor, cpu_interface, hypervisor))
            }
            machine::Gic::V3 { distributor, redistributors, redistributor_stride, maintenance } => {
                let distributor = map(*distributor);
                let (stride, maintenance) = (*redistributor_stride, *maintenance);
                Self::V3(v3::GicV3::new(distributor, redistributors, stride, maintenance))
            }
        }
    }

    /// Resets and enables the distributor. All CPUs must be at EL2.
    #[inline(always)]
    pub fn init_distributor(&self) {
        match self {
            Self::V2(gic) => gic.init_distributor(),
            Self::V3(gic) => gic.init_distributor(),
        }
    }

    /// Resets the private interrupts and the CPU interface of this CPU, whose index is `cpu`.
    ///
    /// # Errors
    ///
    /// A sentence, if the CPU has interrupts that cannot be disabled, or no redistributor.
    #[inline(always)]
    pub fn init_cpu(
        &self,
        cpu: usize,
        mpidr: Mpidr,
        delivery: Delivery,
        map: MapFrame<'_>,
    ) -> Result<(), &'static str> {
        match self {
            Self::V2(gic) => gic.init_cpu(cpu),
            Self::V3(gic) => gic.init_cpu(cpu, mpidr, delivery, map)?,
        }
        self.reset_virtual_interface(delivery);
        Ok(())
    }

    /// Returns how a partition's vCPU on this CPU sends SGIs by GICD_SGIR. `init_cpu` must have run
    /// on all of the partition's CPUs.
    #[inline(always)]
    pub fn init_sgis(&self, cpu: usize, plan: &PartitionPlan, vcpu: usize) -> SgirRoute {
        let distributor = plan.device(DeviceKind::Distributor);
        let (Self::V2(gic), Some(distributor)) = (self, distributor) else {
            return SgirRoute::NONE;
        };
        gic.set_source(cpu, vcpu);
        let interfaces = plan.cpus.iter().map(|cpu| gic.target(*cpu));
        SgirRoute::new(distributor.registers.start(), gic.physical_sgis(), vcpu, interfaces)
    }

    /// Resets this CPU's virtual CPU interface.
    pub fn reset_virtual_interface(&self, delivery: Delivery) {
        match self {
            Self::V2(gic) => gic.reset_virtual_interface(),
            Self::V3(gic) => gic.reset_virtual_interface(),
        }
        self.set_hypervisor_control(match delivery {
            Delivery::Trapped => HCR_ENABLE,
            Delivery::Direct => HCR_TRAP_COMMON,
        });
    }

    /// Returns the last SPI.
    #[inline(always)]
    pub fn last_spi(&self) -> Intid {
        let intids = match self {
            Self::V2(gic) => gic.intids(),
            Self::V3(gic) => gic.intids(),
        };
        let last = intids.clamp(Intid::SPI_START + 1, Intid::SPI_END) - 1;
        Intid::new(last).expect("it is below the end of the SPIs")
    }

    /// Returns whether interrupts can be delivered directly: Bulkhead owns both interrupt groups.
    #[inline(always)]
    pub fn delivers_directly(&self) -> bool {
        matches!(self, Self::V3(gic) if gic.has_group_0())
    }

    /// Acknowledges and deactivates the highest-priority pending interrupt of Group 0. If Bulkhead
    /// owns both groups, its own interrupts are in Group 0; otherwise returns `None`.
    pub fn take_own(&self) -> Option<Intid> {
        match self {
            Self::V3(gic) if gic.has_group_0() => v3::take_own(),
            _ => None,
        }
    }

    /// Returns whether the controller may not signal a level-sensitive interrupt whose line is high
    /// when a guest deactivates it through a list register, until another event at the physical
    /// controller: as QEMU's GICv2 does. A guest that sleeps then could sleep for ever.
    #[inline(always)]
    pub fn loses_level(&self) -> bool {
        matches!(self, Self::V2(gic) if gic.is_of_qemu())
    }

    /// Returns GICD_TYPER.ITLinesNumber.
    pub fn it_lines_number(&self) -> u32 {
        match self {
            Self::V2(gic) => gic.intids() / 32 - 1,
            Self::V3(gic) => gic.intids() / 32 - 1,
        }
    }

    /// Returns whether the virtual CPU interface requests its maintenance interrupt. Always true on
    /// GICv2, where nothing else raises that interrupt.
    pub fn requests_maintenance(&self) -> bool {
        match self {
            Self::V2(_) => true,
            Self::V3(_) => v3::requests_maintenance(),
        }
    }

    /// Acknowledges the highest-priority pending interrupt and drops the running priority. The
    /// interrupt stays active.
    pub fn acknowledge(&self) -> Option<Acknowledged> {
        match self {
            Self::V2(gic) => gic.acknowledge(),
            Self::V3(_) => v3::acknowledge(),
        }
    }

    /// Acknowledges an interrupt, and injects it if all list registers are empty and `arrivals` has
    /// a value prepared.
    #[inline(always)]
    pub fn take(&self, arrivals: &Arrivals) -> TakeOutcome {
        match self {
            Self::V2(gic) => gic.take(arrivals),
            Self::V3(_) => v3::take(arrivals),
        }
    }

    /// Injects an interrupt, which is acknowledged, into an empty list register while others are in
    /// use, if `arrivals` has a value prepared. Returns whether it has.
    #[inline(never)]
    pub fn inject_beside_others(&self, arrivals: &Arrivals, interrupt: Acknowledged) -> bool {
        let empty = match self {
            Self::V2(gic) => gic.empty_list_registers(),
            Self::V3(_) => v3::empty_list_registers(),
        };
        match arrivals.inject_beside_others(interrupt.intid, empty) {
            // The timer is neither masked nor observed, so the guest may get its interrupt twice.
            Injection::Write(index, value)
            | Injection::WriteAndMaskTimer(index, value)
            | Injection::WriteAndObserveTimer(index, value) => match self {
                Self::V2(gic) => {
                    let source = u32::from(gic.source(interrupt));
                    gic.write_list_register(index, value as u32 | source);
                }
                Self::V3(_) => v3::write_list_register(index, value),
            },
            Injection::Refused => return false,
        }
        if interrupt.intid.is_sgi() {
            self.deactivate(interrupt);
        }
        true
    }

    /// Deactivates an interrupt that no guest will deactivate.
    pub fn deactivate(&self, interrupt: Acknowledged) {
        match self {
            Self::V2(gic) => gic.deactivate(interrupt.value as u32),
            Self::V3(_) if interrupt.lpi().is_some() => {}
            Self::V3(gic) => gic.deactivate(interrupt.value),
        }
    }

    /// Returns a bit for each SGI of guests that is backed by a physical one. On GICv3 these are
    /// all SGIs, or none if Bulkhead does not own both interrupt groups; on GICv2 all but the kick
    /// and those that firmware owns.
    pub fn physical_sgis(&self) -> u16 {
        match self {
            Self::V2(gic) => gic.physical_sgis(),
            Self::V3(gic) if gic.has_group_0() => u16::MAX,
            Self::V3(_) => 0,
        }
    }

    /// Writes a value of [`SgirRoute::physical`] to GICD_SGIR. Does nothing on GICv3, which does
    /// not use that register.
    #[inline(always)]
    pub fn store_sgir(&self, value: u32) {
        if let Self::V2(gic) = self {
            gic.send_sgi(value);
        }
    }

    /// Returns whether this SGI is the kick. On GICv3 the kick is the maintenance interrupt
    /// instead.
    pub fn is_kick(&self, intid: Intid) -> bool {
        matches!(self, Self::V2(gic) if gic.kick_sgi() == intid)
    }

    /// Returns the vCPU that sent an SGI; 0 on GICv3, which does not report it.
    pub fn sender(&self, interrupt: Acknowledged) -> u8 {
        match self {
            Self::V2(gic) => gic.sender(interrupt),
            Self::V3(_) => 0,
        }
    }

    /// Kicks a CPU, which has handled its maintenance interrupt, if that is also the kick.
    pub fn kick_if_maintenance(&self, cpu: usize) {
        if let Self::V3(_) = self {
            self.kick(cpu);
        }
    }

    /// Kicks a CPU: an interrupt makes it come to EL2 and check what changed.
    pub fn kick(&self, cpu: usize) {
        self.kick_all(&[cpu], CpuMask::one(0));
    }

    /// Kicks the CPUs at the positions `which` of `cpus`.
    #[inline(never)]
    pub fn kick_all(&self, cpus: &[usize], which: CpuMask) {
        // Earlier stores must be visible to the other CPUs when they take the interrupt.
        barrier::dsb(barrier::ISHST);
        let mut targets = 0;
        for position in which {
            let Some(&cpu) = cpus.get(position) else { continue };
            match self {
                Self::V2(gic) => targets |= gic.target(cpu),
                Self::V3(gic) => gic.kick(cpu),
            }
        }
        if let Self::V2(gic) = self {
            gic.kick(targets);
        }
    }

    /// Enables an interrupt of Bulkhead's own: a private one of this CPU, whose index is `cpu`, or
    /// a shared one, which is routed to `cpu`.
    #[inline(always)]
    pub fn enable_own(&self, intid: Intid, cpu: usize) {
        if !intid.is_private() {
            self.route(intid.get() as usize, cpu);
        }
        match self {
            Self::V2(gic) => gic.enable_own(intid),
            Self::V3(gic) => gic.enable_own(intid, cpu),
        }
    }

    /// Makes an SPI of Bulkhead's own, which is disabled, edge-triggered or level-sensitive.
    #[inline(always)]
    pub fn set_trigger(&self, intid: Intid, is_edge: bool) {
        self.triggers().set(self.distributor(), intid, is_edge);
    }

    /// Returns the distributor, whose interrupt registers have the same offsets in both versions.
    #[inline(always)]
    fn distributor(&self) -> &Registers {
        match self {
            Self::V2(gic) => gic.distributor(),
            Self::V3(gic) => gic.distributor(),
        }
    }

    /// Returns what the distributor's ICFGR are to contain.
    fn triggers(&self) -> &triggers::Triggers {
        match self {
            Self::V2(gic) => &gic.triggers,
            Self::V3(gic) => &gic.triggers,
        }
    }

    /// Routes a shared interrupt to one CPU.
    pub fn route(&self, intid: usize, cpu: usize) {
        match self {
            Self::V2(gic) => gic.route(intid, cpu),
            Self::V3(gic) => gic.route(intid, cpu),
        }
    }

    /// Reads GICH_HCR or ICH_HCR_EL2.
    fn hypervisor_control(&self) -> u32 {
        match self {
            Self::V2(gic) => gic.hypervisor_control(),
            Self::V3(_) => ICH_HCR_EL2.get() as u32,
        }
    }

    /// Writes GICH_HCR or ICH_HCR_EL2.
    // One copy for all callers.
    #[inline(never)]
    fn set_hypervisor_control(&self, value: u32) {
        match self {
            Self::V2(gic) => gic.set_hypervisor_control(value),
            Self::V3(_) => ICH_HCR_EL2.set(u64::from(value)),
        }
    }
}
