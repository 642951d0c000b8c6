//! GICv2 with the virtualization extensions (IHI 0048B), driven from EL2.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::intid::Intid;
use bulkhead::vgic::{Arrivals, Injection, IntidSet, StateRegister};
use core::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use super::triggers::Triggers;
use super::{Acknowledged, GICC_IAR_INTID, IPRIORITYR, TakeOutcome};
use crate::el2::arch::image::MAX_CPUS;
use crate::el2::drivers::mmio::{Register, Registers};

const GICD_CTLR: u64 = 0x000;
const GICD_TYPER: u64 = 0x004;
const GICD_IIDR: u64 = 0x008;
const GICD_IGROUPR: u64 = 0x080;
const GICD_ISENABLER: u64 = 0x100;
const GICD_ICENABLER: u64 = 0x180;
const GICD_ICPENDR: u64 = 0x280;
const GICD_ICACTIVER: u64 = 0x380;
const GICD_ITARGETSR: u64 = 0x800;
const GICD_SGIR: u64 = 0xf00;
const GICD_CPENDSGIR: u64 = 0xf10;

const GICC_CTLR: u64 = 0x000;
const GICC_PMR: u64 = 0x004;
const GICC_BPR: u64 = 0x008;
const GICC_IAR: u64 = 0x00c;
const GICC_EOIR: u64 = 0x010;
/// GICC_APR0 to GICC_APR3, and GICC_NSAPR0 to GICC_NSAPR3.
const GICC_APR: u64 = 0x0d0;
const GICC_DIR: u64 = 0x1000;

/// EnableGrp1 in the Non-secure view; EnableGrp0 if there is one Security state.
const CTLR_ENABLE: u32 = 1;
/// EOImodeNS: an EOI only drops the priority. The guest's EOI or a write of GICC_DIR deactivates.
const GICC_CTLR_EOIMODE: u32 = 1 << 9;

const GICH_HCR: u64 = 0x000;
const GICH_VTR: u64 = 0x004;
const GICH_VMCR: u64 = 0x008;
const GICH_ELRSR0: u64 = 0x030;
const GICH_APR: u64 = 0x0f0;
const GICH_LR0: u64 = 0x100;

/// The position of the CPU that sent an SGI in GICC_IAR and GICH_LRn.
const SOURCE_SHIFT: u32 = 10;

/// The physical priority of every interrupt; guests' priorities are virtual.
const PRIORITY: u32 = 0xa0a0_a0a0;

/// The machine's GICv2.
pub struct GicV2 {
    distributor: Registers,
    cpu_interface: Registers,
    hypervisor: Registers,
    /// Each CPU's bit in GICD_SGIR and GICD_ITARGETSR, which only that CPU can read.
    targets: [AtomicU8; MAX_CPUS],
    /// For each CPU interface, the number of its vCPU as the source of an SGI in GICH_LRn.
    sources: [AtomicU16; 8],
    /// A bit for each SGI that firmware owns on no CPU.
    sgis: AtomicU16,
    /// GICD_SGIR.
    sgir: Register,
    /// GICC_IAR, GICC_EOIR and GICC_DIR.
    iar: Register,
    eoir: Register,
    dir: Register,
    /// GICH_ELRSR0 and GICH_LR0 to GICH_LR15.
    elrsr: Register,
    lrs: [Register; 16],
    /// GICH_VTR.ListRegs + 1, at most 16.
    list_registers: usize,
    /// The number of 32-bit words of a register with a bit for each INTID.
    words: u64,
    /// What the distributor's ICFGR are to contain.
    pub(super) triggers: Triggers,
}

impl GicV2 {
    /// Returns the GIC with these frames (GICD, GICC, GICH), without changing its state.
    #[inline(always)]
    pub fn new(distributor: Registers, cpu_interface: Registers, hypervisor: Registers) -> Self {
        let lr = |index| hypervisor.register(GICH_LR0 + index as u64 * 4);
        Self {
            sgir: distributor.register(GICD_SGIR),
            iar: cpu_interface.register(GICC_IAR),
            eoir: cpu_interface.register(GICC_EOIR),
            dir: cpu_interface.register(GICC_DIR),
            elrsr: hypervisor.register(GICH_ELRSR0),
            lrs: core::array::from_fn(lr),
            words: u64::from(distributor.read(GICD_TYPER) & 0x1f) + 1,
            list_registers: ((hypervisor.read(GICH_VTR) & 0x3f) as usize + 1).min(16),
            distributor,
            cpu_interface,
            hypervisor,
            targets: [const { AtomicU8::new(0) }; MAX_CPUS],
            sources: [const { AtomicU16::new(0) }; 8],
            sgis: AtomicU16::new(u16::MAX),
            triggers: Triggers::new(),
        }
    }

    /// Resets and enables the distributor, and resets the shared interrupts. All CPUs must be at
    /// EL2, because firmware may rewrite the interrupt groups while it starts one.
    #[inline(always)]
    pub fn init_distributor(&self) {
        self.distributor.write(GICD_CTLR, 0);
        for word in 1..self.words {
            self.reset_word(word);
            for register in word * 8..(word + 1) * 8 {
                self.distributor.write(GICD_ITARGETSR + register * 4, 0);
            }
            self.triggers.reset(&self.distributor, word);
        }
        self.distributor.write(GICD_CTLR, CTLR_ENABLE);
    }

    /// Finds the SGIs of this CPU that firmware owns, once `reset_word` has set the priorities.
    /// With two Security states some SGIs may be Secure, and their priorities read as zero (IHI
    /// 0048B, 4.3.11).
    #[inline(always)]
    fn find_sgis(&self) {
        let mut sgis = 0;
        for register in 0..4 {
            let priorities = self.distributor.read(IPRIORITYR + register * 4);
            for (byte, priority) in priorities.to_le_bytes().into_iter().enumerate() {
                sgis |= u16::from(priority != 0) << (register as usize * 4 + byte);
            }
        }
        self.sgis.fetch_and(sgis, Ordering::AcqRel);
    }

    /// Returns the SGI that is the kick: the last one that firmware owns on no CPU, because kernels
    /// use the first ones. `init_cpu` must have run on all CPUs.
    pub fn kick_sgi(&self) -> Intid {
        let sgis = self.sgis.load(Ordering::Acquire);
        let last = 15_u32.saturating_sub(sgis.leading_zeros());
        Intid::new(last).expect("the number is below 16")
    }

    /// Returns a bit for each SGI of guests that is backed by a physical one.
    pub fn physical_sgis(&self) -> u16 {
        self.sgis.load(Ordering::Acquire) & !(1 << self.kick_sgi().get())
    }

    /// Returns the bit of a CPU's interface in GICD_SGIR and GICD_ITARGETSR.
    pub fn target(&self, cpu: usize) -> u8 {
        self.targets[cpu].load(Ordering::Acquire)
    }

    /// Sets the vCPU that list registers show as the source of SGIs from this CPU.
    #[inline(always)]
    pub fn set_source(&self, cpu: usize, vcpu: usize) {
        let interface = self.target(cpu).trailing_zeros() as usize;
        self.sources[interface & 7].store((vcpu as u16 & 7) << SOURCE_SHIFT, Ordering::Release);
    }

    /// Resets this CPU's private interrupts and enables its CPU interface.
    #[inline(always)]
    pub fn init_cpu(&self, cpu: usize) {
        // The register reads as zero if there is one CPU (IHI 0048B, 4.3.12).
        let target = (self.distributor.read(GICD_ITARGETSR) as u8).max(1);
        self.targets[cpu].store(target, Ordering::Release);
        self.reset_word(0);
        self.find_sgis();
        for register in 0..4 {
            self.distributor.write(GICD_CPENDSGIR + register * 4, u32::MAX);
        }
        self.distributor.write(GICD_ISENABLER, 0xffff);
        // An interrupt that firmware acknowledged and did not end would mask all others of its
        // priority (IHI 0048B, 4.4.13).
        for register in 0..8 {
            self.cpu_interface.write(GICC_APR + register * 4, 0);
        }
        self.cpu_interface.write(GICC_PMR, 0xff);
        self.cpu_interface.write(GICC_BPR, 0);
        self.cpu_interface.write(GICC_CTLR, CTLR_ENABLE | GICC_CTLR_EOIMODE);
    }

    /// Resets the virtual interface: nothing is pending or active.
    pub fn reset_virtual_interface(&self) {
        self.hypervisor.write(GICH_HCR, 0);
        self.hypervisor.write(GICH_APR, 0);
        self.hypervisor.write(GICH_VMCR, 0);
        for index in 0..self.list_registers {
            self.write_list_register(index, 0);
        }
    }

    /// Disables the 32 interrupts of a word, clears their state and puts them into Group 0. With
    /// two Security states the write of the group is ignored.
    #[inline(always)]
    fn reset_word(&self, word: u64) {
        self.distributor.write(GICD_ICENABLER + word * 4, u32::MAX);
        self.distributor.write(GICD_ICPENDR + word * 4, u32::MAX);
        self.distributor.write(GICD_ICACTIVER + word * 4, u32::MAX);
        for register in word * 8..(word + 1) * 8 {
            self.distributor.write(IPRIORITYR + register * 4, PRIORITY);
        }
        self.distributor.write(GICD_IGROUPR + word * 4, 0);
    }

    /// Returns whether this is QEMU's GICv2 by its GICD_IIDR (IHI 0048B, 4.3.3): product 0 of Arm.
    /// GIC-400, the controller that 64-bit chips have, is product 2.
    #[inline(always)]
    pub fn is_of_qemu(&self) -> bool {
        self.distributor.read(GICD_IIDR) == 0x43b
    }

    /// Returns the number of INTIDs, a multiple of 32.
    pub fn intids(&self) -> u32 {
        self.words as u32 * 32
    }

    /// Returns the number of list registers.
    pub fn list_registers(&self) -> usize {
        self.list_registers
    }

    /// Returns the vCPU that sent an SGI, at its position in GICH_LRn; 0 for other interrupts.
    #[inline(always)]
    pub fn source(&self, acknowledged: Acknowledged) -> u16 {
        if !acknowledged.intid.is_sgi() {
            return 0;
        }
        let interface = acknowledged.value as u32 >> SOURCE_SHIFT & 7;
        self.sources[interface as usize].load(Ordering::Relaxed)
    }

    /// Returns the vCPU that sent an SGI; 0 for other interrupts.
    pub fn sender(&self, acknowledged: Acknowledged) -> u8 {
        (self.source(acknowledged) >> SOURCE_SHIFT) as u8
    }

    /// Acknowledges the highest-priority pending interrupt and drops the running priority
    /// (GICC_IAR, GICC_EOIR). Later loads see what was stored before the interrupt was sent.
    #[inline(always)]
    pub fn acknowledge(&self) -> Option<Acknowledged> {
        let acknowledged = Acknowledged::new(u64::from(self.iar.read()), GICC_IAR_INTID)?;
        // Memory that a kick announces must not be read before GICC_IAR.
        barrier::dmb(barrier::ISHLD);
        self.eoir.write(acknowledged.value as u32);
        Some(acknowledged)
    }

    /// See [`Gic::take`](super::Gic::take).
    #[inline(always)]
    pub fn take(&self, arrivals: &Arrivals) -> TakeOutcome {
        let Some(acknowledged) = self.acknowledge() else { return TakeOutcome::Nothing };
        match arrivals.inject(acknowledged.intid, self.elrsr.read()) {
            Injection::Write(_, value) => {
                self.lrs[0].write(value as u32 | u32::from(self.source(acknowledged)));
                if acknowledged.intid.is_sgi() {
                    self.dir.write(acknowledged.value as u32);
                }
                TakeOutcome::Injected
            }
            Injection::WriteAndMaskTimer(_, value) => {
                self.lrs[0].write(value as u32);
                TakeOutcome::MaskTimer
            }
            Injection::WriteAndObserveTimer(_, value) => {
                self.lrs[0].write(value as u32);
                TakeOutcome::ObserveTimer
            }
            Injection::Refused => TakeOutcome::Other(acknowledged),
        }
    }

    /// Deactivates an interrupt that no guest will deactivate (GICC_DIR).
    pub fn deactivate(&self, acknowledged: u32) {
        self.dir.write(acknowledged);
    }

    /// Writes GICD_SGIR.
    #[inline(always)]
    pub fn send_sgi(&self, value: u32) {
        self.sgir.write(value);
    }

    /// Clears the pending state of guests' SGIs on this CPU.
    pub fn clear_sgis(&self) {
        let physical = u32::from(self.physical_sgis());
        for register in 0..4 {
            // GICD_CPENDSGIR has a byte for each SGI, with a bit for each source CPU.
            let bytes = (0..4).filter(|byte| physical >> (register * 4 + byte) & 1 != 0);
            let all = bytes.fold(0, |all, byte| all | 0xff << (byte * 8));
            self.distributor.write(GICD_CPENDSGIR + register * 4, all);
        }
    }

    /// Kicks the CPUs with these interfaces.
    pub fn kick(&self, targets: u8) {
        self.send_sgi(u32::from(targets) << 16 | self.kick_sgi().get());
    }

    /// Enables an interrupt of Bulkhead's own. A shared one must be routed.
    #[inline(always)]
    pub fn enable_own(&self, intid: Intid) {
        let set = IntidSet::one(0, intid);
        self.distributor.write(StateRegister::SetEnable.of(set), set.mask());
    }

    /// Returns the distributor, whose registers of private interrupts are banked for each CPU.
    #[inline(always)]
    pub fn distributor(&self) -> &Registers {
        &self.distributor
    }

    /// Routes a shared interrupt to one CPU.
    pub fn route(&self, intid: usize, cpu: usize) {
        self.distributor.write_byte(GICD_ITARGETSR.wrapping_add(intid as u64), self.target(cpu));
    }

    /// Reads GICH_LRn, n from 0 to 15.
    pub fn read_list_register(&self, index: usize) -> u32 {
        self.lrs[index & 0xf].read()
    }

    /// Writes GICH_LRn, n from 0 to 15.
    pub fn write_list_register(&self, index: usize, value: u32) {
        self.lrs[index & 0xf].write(value);
    }

    /// Returns a bit for each empty list register (GICH_ELRSR).
    pub fn empty_list_registers(&self) -> u32 {
        self.elrsr.read() & 1_u32.wrapping_shl(self.list_registers as u32).wrapping_sub(1)
    }

    /// Reads GICH_HCR.
    pub fn hypervisor_control(&self) -> u32 {
        self.hypervisor.read(GICH_HCR)
    }

    /// Writes GICH_HCR.
    pub fn set_hypervisor_control(&self, value: u32) {
        self.hypervisor.write(GICH_HCR, value);
    }

    /// Reads GICH_VMCR, which has the state that the guest wrote to its CPU interface.
    pub fn virtual_machine_control(&self) -> u32 {
        self.hypervisor.read(GICH_VMCR)
    }
}
