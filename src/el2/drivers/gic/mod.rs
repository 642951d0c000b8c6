//! The physical interrupt controller, of either version.

pub mod v2;
pub mod v3;

use aarch64_cpu::registers::{ICH_HCR_EL2, Readable, Writeable};
use bulkhead::arch::intid::Interrupt;
use bulkhead::arch::intid::Intid;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::machine;
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::planned::DeviceKind;
use bulkhead::vgic::{Arrivals, Delivery, Set, SgirRoute, StateRegister};
use spin::Once;

use super::mmio::Registers;
use crate::el2::trap::panic;

pub use crate::el2::vcpu::vgic_hardware::ThisCpu;

/// GICC_IAR holds the INTID in its lower bits, and an SGI's source above.
const INTID_MASK: u32 = 0x3ff;

// Offsets in the distributor, and in a redistributor's second frame.
pub const IPRIORITYR: u64 = 0x400;
pub const ICFGR: u64 = 0xc00;

/// En of GICH_HCR and ICH_HCR_EL2: the virtual interface works.
pub const HCR_ENABLE: u32 = 1;
/// TC of ICH_HCR_EL2: the guest's accesses to ICC_PMR_EL1 and its like trap.
const HCR_TRAP_COMMON: u32 = 1 << 10;

/// The machine's GIC.
#[repr(u8)]
#[expect(clippy::large_enum_variant, reason = "there is one of it, and it never moves")]
pub enum Gic {
    /// GICv2.
    V2(v2::Gic),
    /// GICv3.
    V3(v3::Gic),
}

static GIC: Once<Gic> = Once::new();

/// Maps the controller's frames. Nothing is changed yet.
pub fn init(machine: &machine::Gic) -> &'static Gic {
    GIC.call_once(|| match machine {
        machine::Gic::V2 { distributor, cpu_interface, hypervisor, .. } => {
            Gic::V2(v2::Gic::new(*distributor, *cpu_interface, *hypervisor))
        }
        machine::Gic::V3 { distributor, redistributors, maintenance, .. } => {
            Gic::V3(v3::Gic::new(*distributor, redistributors, *maintenance))
        }
    })
}

/// The controller, once `init` has run.
pub fn get() -> &'static Gic {
    GIC.get().unwrap_or_else(|| panic::unset())
}

/// An interrupt that the CPU interface was asked for.
#[derive(Clone, Copy)]
pub struct Acknowledged {
    /// Which one.
    pub intid: Intid,
    /// What is handed back for it.
    value: u32,
}

/// What [`Gic::take`] found.
pub enum Taken {
    /// An interrupt of the guest's, which is in a list register now.
    Listed,
    /// Another one, which was acknowledged.
    Other(Acknowledged),
    /// None.
    Nothing,
}

impl Acknowledged {
    /// What GICC_IAR or ICC_IAR1_EL1 said, unless that there is none.
    fn new(value: u32) -> Option<Self> {
        Some(Self { intid: Intid::new(value & INTID_MASK)?, value })
    }
}

impl Gic {
    /// Sets up the distributor, after every CPU has come to EL2.
    pub fn init_distributor(&self) {
        match self {
            Self::V2(gic) => gic.init_distributor(),
            Self::V3(gic) => gic.init_distributor(),
        }
    }

    /// Sets up what this CPU has for itself.
    pub fn init_cpu(&self, cpu: usize, mpidr: Mpidr, delivery: Delivery) {
        match self {
            Self::V2(gic) => gic.init_cpu(cpu),
            Self::V3(gic) => gic.init_cpu(cpu, mpidr, delivery),
        }
        self.reset_virtual_interface(delivery);
    }

    /// What this CPU has for sending SGIs as vCPU `own` of a partition, after `init_cpu` of all of its CPUs.
    pub fn init_sgis(&self, cpu: usize, plan: &PartitionPlan, own: usize) -> SgirRoute {
        let distributor = plan.device(DeviceKind::Distributor);
        let (Self::V2(gic), Some(distributor)) = (self, distributor) else {
            return SgirRoute::NONE;
        };
        gic.set_source(cpu, own);
        let interfaces = plan.cpus.iter().map(|cpu| gic.target(*cpu));
        SgirRoute::new(distributor.registers.start(), gic.carried_sgis(), own, interfaces)
    }

    /// Makes this CPU's virtual interface as it is after a reset.
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

    /// The highest INTID of an SPI that can be given to an emulated device, where the interrupts of
    /// a partition can go to it with no exit: on a GICv3 of whose both groups Bulkhead disposes.
    pub fn direct(&self) -> Option<Intid> {
        match self {
            Self::V3(gic) if gic.has_group_0() => Intid::new(gic.intids().min(Intid::SPI_END) - 1),
            _ => None,
        }
    }

    /// Takes the most urgent of Bulkhead's own interrupts, where they are in a group of their own.
    pub fn take_own(&self) -> Option<Intid> {
        match self {
            Self::V3(gic) if gic.has_group_0() => v3::take_own(),
            _ => None,
        }
    }

    /// GICD_TYPER.ITLinesNumber.
    pub fn it_lines_number(&self) -> u32 {
        match self {
            Self::V2(gic) => gic.intids() / 32 - 1,
            Self::V3(gic) => gic.intids() / 32 - 1,
        }
    }

    /// Whether the virtual interface asks for its maintenance interrupt. Unknown on GICv2, where nothing
    /// else raises that.
    pub fn wants_maintenance(&self) -> bool {
        match self {
            Self::V2(_) => true,
            Self::V3(_) => v3::wants_maintenance(),
        }
    }

    /// Takes the interrupt of the highest priority, if there is one, and lets others of the same
    /// priority in again; this one stays active.
    pub fn acknowledge(&self) -> Option<Acknowledged> {
        match self {
            Self::V2(gic) => gic.acknowledge(),
            Self::V3(_) => v3::acknowledge(),
        }
    }

    /// The same, and puts it into a list register, if that is all there is to do.
    #[inline(always)]
    pub fn take(&self, arrivals: &Arrivals) -> Taken {
        match self {
            Self::V2(gic) => gic.take(arrivals),
            Self::V3(_) => v3::take(arrivals),
        }
    }

    /// Ends an interrupt of Bulkhead's own, after its priority drop.
    pub fn deactivate(&self, interrupt: Acknowledged) {
        match self {
            Self::V2(gic) => gic.deactivate(interrupt.value),
            Self::V3(gic) => gic.deactivate(interrupt.value),
        }
    }

    /// A bit for each SGI of guests that physical ones stand for. On a GICv3 that is all, or none where
    /// another Security state has some; on GICv2 one is the doorbell.
    pub fn carried_sgis(&self) -> u16 {
        match self {
            Self::V2(gic) => gic.carried_sgis(),
            Self::V3(gic) if gic.has_group_0() => u16::MAX,
            Self::V3(_) => 0,
        }
    }

    /// Sends SGIs by GICD_SGIR, as [`SgirRoute::physical`] has it. On GICv3 there is no such register.
    #[inline(always)]
    pub fn store_sgir(&self, value: u32) {
        if let Self::V2(gic) = self {
            gic.send_sgi(value);
        }
    }

    /// Whether this SGI is the doorbell. On GICv3 the maintenance interrupt is.
    pub fn rings_by(&self, intid: Intid) -> bool {
        matches!(self, Self::V2(gic) if gic.doorbell() == intid)
    }

    /// The vCPU that sent an SGI, where the controller tells.
    pub fn sender(&self, interrupt: Acknowledged) -> u8 {
        match self {
            Self::V2(gic) => gic.sender(interrupt),
            Self::V3(_) => 0,
        }
    }

    /// Makes a CPU leave its guest.
    pub fn ring_doorbell(&self, cpu: usize) {
        match self {
            Self::V2(gic) => gic.ring_doorbell(cpu),
            Self::V3(gic) => gic.ring_doorbell(cpu),
        }
    }

    /// Enables an interrupt of Bulkhead's own: a private one of this CPU, or a shared one, which
    /// goes to this CPU.
    pub fn enable_own(&self, intid: Intid, cpu: usize) {
        if !intid.is_private() {
            self.route(intid.get() as usize, cpu);
        }
        match self {
            Self::V2(gic) => gic.enable_own(intid),
            Self::V3(gic) => gic.enable_own(intid, cpu),
        }
    }

    /// Disables these shared interrupts and forgets what they were up to.
    pub fn silence(&self, interrupts: &[Interrupt]) {
        let distributor = self.distributor();
        for interrupt in interrupts {
            let set = Set::one(0, interrupt.intid);
            distributor.write(StateRegister::ClearEnable.of(set), set.mask());
            if let Self::V3(gic) = self {
                gic.wait_for_distributor();
            }
            distributor.write(StateRegister::ClearPending.of(set), set.mask());
            distributor.write(StateRegister::ClearActive.of(set), set.mask());
        }
    }

    /// The distributor, whose registers of interrupts are at the same offsets in either version.
    #[inline(always)]
    pub fn distributor(&self) -> &Registers {
        match self {
            Self::V2(gic) => gic.distributor(),
            Self::V3(gic) => gic.distributor(),
        }
    }

    pub fn route(&self, intid: usize, cpu: usize) {
        match self {
            Self::V2(gic) => gic.route(intid, cpu),
            Self::V3(gic) => gic.route(intid, cpu),
        }
    }

    pub fn hypervisor_control(&self) -> u32 {
        match self {
            Self::V2(gic) => gic.hypervisor_control(),
            Self::V3(_) => ICH_HCR_EL2.get() as u32,
        }
    }

    pub fn set_hypervisor_control(&self, value: u32) {
        match self {
            Self::V2(gic) => gic.set_hypervisor_control(value),
            Self::V3(_) => ICH_HCR_EL2.set(u64::from(value)),
        }
    }
}
