//! GICv3 (IHI 0069): the distributor and the redistributors. `cpu_interface` has the system
//! registers.

mod cpu_interface;
mod lpis;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ICC_CTLR_EL1, ICH_VTR_EL2, Readable};
use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::machine::gic_registers;
use bulkhead::vgic::{Delivery, Priorities, SgiRequest};
use core::sync::atomic::{AtomicU64, Ordering};

use super::IPRIORITYR;
use super::triggers::Triggers;
use crate::el2::arch::image::MAX_CPUS;
use crate::el2::arch::registers::write_register;
use crate::el2::arch::sync::SetOnce;
use crate::el2::drivers::mmio::Registers;

pub use cpu_interface::{
    acknowledge, empty_list_registers, read_list_register, requests_maintenance, take, take_own,
    write_list_register,
};

const GICD_CTLR: u64 = 0x0000;
const GICD_TYPER: u64 = 0x0004;
const GICD_IROUTER: u64 = 0x6000;
// The registers of extended SPIs.
const GICD_ICENABLER_E: u64 = 0x1400;
const GICD_ICPENDR_E: u64 = 0x1800;
const GICD_ICACTIVER_E: u64 = 0x1c00;

/// Offsets in the distributor and in a redistributor's SGI_base frame.
const IGROUPR: u64 = 0x080;
const ISENABLER: u64 = 0x100;
const ICENABLER: u64 = 0x180;
const ISPENDR: u64 = 0x200;
const ICPENDR: u64 = 0x280;
const ICACTIVER: u64 = 0x380;
const IGRPMODR: u64 = 0xd00;

/// EnableGrp1 and EnableGrp1A in the Non-secure view, EnableGrp0 and EnableGrp1 if there is one
/// Security state: both are set, which is right in either view (GICD_CTLR).
const GICD_CTLR_ENABLE_GROUP1: u32 = 1 << 1 | 1;
const GICD_CTLR_ARE: u32 = 1 << 4;
const GICD_CTLR_RWP: u32 = 1 << 31;

const GICR_CTLR: u64 = 0x0000;
const GICR_TYPER: u64 = 0x0008;
const GICR_WAKER: u64 = 0x0014;
const GICR_CTLR_ENABLE_LPIS: u32 = 1 << 0;
const GICR_CTLR_RWP: u32 = 1 << 3;
const GICR_WAKER_PROCESSOR_SLEEP: u32 = 1 << 1;
const GICR_WAKER_CHILDREN_ASLEEP: u32 = 1 << 2;
const GICR_TYPER_LAST: u64 = 1 << 4;
/// The offset from RD_base of SGI_base, the frame with the registers of SGIs and PPIs.
const SGI_FRAME: u64 = 0x1_0000;

const GICD_CTLR_DS: u32 = 1 << 6;

/// The bits of the SGIs in a register with a bit for each INTID.
const SGIS: u32 = 0xffff;

/// The physical priority of Group 1 interrupts with trapped delivery; guests' priorities are
/// virtual.
const PRIORITY: u32 = 0xa0a0_a0a0;

/// The priority of Bulkhead's own interrupts in Group 0. No guest's interrupt has this priority:
/// see [`Priorities`].
const OWN_PRIORITY: u8 = 0;

/// A CPU's redistributor.
struct Redistributor {
    control: Registers,
    /// The registers of its SGIs and PPIs, at the same offsets as the distributor's.
    private: Registers,
}

/// The machine's GICv3.
pub struct GicV3 {
    distributor: Registers,
    /// The regions of redistributors, in the order of the tree.
    regions: Vec<Region<Pa>>,
    /// `redistributor-stride` of the tree.
    stride: Option<u64>,
    /// Each CPU's redistributor, which that CPU finds.
    redistributors: [SetOnce<Redistributor>; MAX_CPUS],
    /// The affinity of each CPU.
    affinities: [AtomicU64; MAX_CPUS],
    /// The number of 32-bit words of a register with a bit for each INTID.
    words: u64,
    /// ICH_VTR_EL2.ListRegs + 1.
    list_registers: usize,
    /// The maintenance interrupt, which is also the kick.
    maintenance: Intid,
    /// Whether Bulkhead owns both interrupt groups, and uses Group 0 for its own interrupts.
    has_group_0: bool,
    /// The implemented priority bits.
    pub priorities: Priorities,
    /// What the distributor's ICFGR are to contain.
    pub(super) triggers: Triggers,
}

impl GicV3 {
    /// Returns the GIC with this distributor and these regions of redistributors, without changing
    /// their state.
    #[inline(always)]
    pub fn new(
        distributor: Registers,
        redistributors: &[Region<Pa>],
        stride: Option<u64>,
        maintenance: Intid,
    ) -> Self {
        cpu_interface::enable_system_registers();
        Self {
            words: u64::from(distributor.read(GICD_TYPER) & 0x1f) + 1,
            has_group_0: distributor.read(GICD_CTLR) & GICD_CTLR_DS != 0
                && !cpu_interface::has_el3(),
            priorities: Priorities::new((ICC_CTLR_EL1.get() >> 8 & 7) as u32 + 1),
            maintenance,
            triggers: Triggers::new(),
            distributor,
            regions: redistributors.to_vec(),
            stride,
            redistributors: [const { SetOnce::new() }; MAX_CPUS],
            affinities: [const { AtomicU64::new(0) }; MAX_CPUS],
            list_registers: (ICH_VTR_EL2.get() & 0x1f) as usize + 1,
        }
    }

    /// Resets and enables the distributor, and resets the shared interrupts. All CPUs must be at
    /// EL2, because firmware may rewrite the interrupt groups while it starts one.
    #[inline(always)]
    pub fn init_distributor(&self) {
        self.distributor.write(GICD_CTLR, 0);
        self.wait_for_distributor();
        // Affinity routing first: it determines the meaning of the other registers.
        self.distributor.write(GICD_CTLR, GICD_CTLR_ARE);
        self.wait_for_distributor();
        for word in 1..self.words.min(31) {
            reset_word(&self.distributor, word);
            self.triggers.reset(&self.distributor, word);
        }
        // Firmware may have enabled extended SPIs, which Bulkhead does not use.
        let typer = self.distributor.read(GICD_TYPER);
        for word in 0..gic_registers::extended_spi_words(typer) {
            self.distributor.write(GICD_ICENABLER_E + word * 4, u32::MAX);
            self.distributor.write(GICD_ICPENDR_E + word * 4, u32::MAX);
            self.distributor.write(GICD_ICACTIVER_E + word * 4, u32::MAX);
        }
        self.wait_for_distributor();
        self.distributor.write(GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_ENABLE_GROUP1);
        self.wait_for_distributor();
    }

    /// Wakes and resets this CPU's redistributor, and enables its CPU interface.
    ///
    /// # Errors
    ///
    /// If LPIs stay enabled, or the CPU has no redistributor.
    #[inline(always)]
    pub fn init_cpu(
        &self,
        cpu: usize,
        mpidr: Mpidr,
        delivery: Delivery,
        map: &dyn Fn(Region<Pa>) -> Registers,
    ) -> Result<(), &'static str> {
        self.affinities[cpu].store(mpidr.get(), Ordering::Release);
        let control = self.find_redistributor(mpidr, map).ok_or(
            "none of the GIC's redistributors in the machine's tree is its own: correct reg or \
             redistributor-stride",
        )?;
        let redistributor = Redistributor { control, private: control.from(SGI_FRAME) };
        let Redistributor { control, private } = self.redistributors[cpu].set(redistributor);
        cpu_interface::enable_system_registers();
        wake(control);
        disable_lpis(control)?;
        // Bulkhead does not use extended PPIs, whose registers follow those of the others.
        for word in 1..=gic_registers::extended_ppi_words(control.read_long(GICR_TYPER)) {
            private.write(ICENABLER + word * 4, u32::MAX);
            private.write(ICPENDR + word * 4, u32::MAX);
            private.write(ICACTIVER + word * 4, u32::MAX);
        }
        reset_word(private, 0);
        wait_for_redistributor(control);
        cpu_interface::init_cpu_interface(delivery, self.has_group_0);
        if delivery == Delivery::Trapped {
            // The physical SGIs behind guests' SGIs. The vGIC delivers those that the guest
            // enables.
            private.write(ISENABLER, SGIS);
        }
        Ok(())
    }

    /// Returns whether Bulkhead owns both interrupt groups. Its own interrupts are then in Group 0,
    /// and guests' interrupts can be direct.
    pub fn has_group_0(&self) -> bool {
        self.has_group_0
    }

    /// Enables an interrupt of Bulkhead's own: a private one of this CPU, or a shared one, which
    /// must be routed.
    #[inline(always)]
    pub fn enable_own(&self, intid: Intid, cpu: usize) {
        let (word, bit) = (u64::from(intid.get() / 32), 1 << (intid.get() % 32));
        let registers = if word == 0 { self.private(cpu) } else { &self.distributor };
        if self.has_group_0 {
            let group = registers.read(IGROUPR + word * 4);
            registers.write(IGROUPR + word * 4, group & !bit);
            registers.write_byte(IPRIORITYR + u64::from(intid.get()), OWN_PRIORITY);
        }
        registers.write(ISENABLER + word * 4, bit);
    }

    /// Resets the virtual interface: nothing is pending or active.
    pub fn reset_virtual_interface(&self) {
        cpu_interface::reset_virtual_interface(self.list_registers);
    }

    /// Returns the redistributor whose GICR_TYPER has this affinity. Maps only the frames that it
    /// reads.
    #[inline(always)]
    fn find_redistributor(
        &self,
        mpidr: Mpidr,
        map: &dyn Fn(Region<Pa>) -> Registers,
    ) -> Option<Registers> {
        let value = mpidr.get();
        let affinity = value >> 8 & 0xff00_0000 | value & 0x00ff_ffff;
        for region in &self.regions {
            let mut offset = 0;
            while let Some(frames) = region.part(offset, gic_registers::REDISTRIBUTOR_SIZE) {
                let redistributor = map(frames);
                let typer = redistributor.read_long(GICR_TYPER);
                if typer >> 32 == affinity {
                    return Some(redistributor);
                }
                if typer & GICR_TYPER_LAST != 0 {
                    break;
                }
                offset += gic_registers::redistributor_stride(self.stride, typer);
            }
        }
        None
    }

    /// Waits until an earlier write to the distributor has taken effect.
    pub fn wait_for_distributor(&self) {
        while self.distributor.read(GICD_CTLR) & GICD_CTLR_RWP != 0 {}
    }

    /// Returns the number of SGIs, PPIs and SPIs, a multiple of 32. It may include special INTIDs.
    pub fn intids(&self) -> u32 {
        self.words as u32 * 32
    }

    /// Returns the number of list registers.
    pub fn list_registers(&self) -> usize {
        self.list_registers
    }

    /// Deactivates an interrupt that no guest will deactivate (ICC_DIR_EL1).
    pub fn deactivate(&self, acknowledged: u64) {
        cpu_interface::deactivate(acknowledged);
        barrier::isb(barrier::SY);
    }

    /// Kicks a CPU.
    #[inline(always)]
    pub fn kick(&self, cpu: usize) {
        self.private(cpu).write(ISPENDR, 1_u32.wrapping_shl(self.maintenance.get()));
    }

    /// Sends an SGI of a guest to a CPU (ICC_SGI1R_EL1).
    pub fn send_sgi(&self, cpu: usize, sgi: usize) {
        let affinity = Mpidr::new(self.affinities[cpu].load(Ordering::Relaxed));
        write_register!("S3_0_C12_C11_5", SgiRequest::to(affinity, sgi).value());
    }

    /// Returns the distributor.
    #[inline(always)]
    pub fn distributor(&self) -> &Registers {
        &self.distributor
    }

    /// Returns the registers of a CPU's private interrupts.
    #[inline(always)]
    pub fn private(&self, cpu: usize) -> &Registers {
        &self.redistributor(cpu).private
    }

    #[inline(always)]
    fn redistributor(&self, cpu: usize) -> &Redistributor {
        &self.redistributors[cpu]
    }

    /// Waits until disabled interrupts of this word can no longer be signalled (IHI 0069, 12.9.4).
    pub fn wait_for_disabled(&self, word: usize, cpu: usize) {
        match word {
            0 => wait_for_redistributor(&self.redistributor(cpu).control),
            _ => self.wait_for_distributor(),
        }
    }

    /// Routes a shared interrupt to one CPU (GICD_IROUTER).
    pub fn route(&self, intid: usize, cpu: usize) {
        let affinity = self.affinities[cpu].load(Ordering::Acquire);
        let offset = GICD_IROUTER.wrapping_add((intid as u64) << 3);
        self.distributor.write_long(offset, affinity);
    }
}

/// Disables the 32 interrupts of a word, clears their state and puts them into Group 1.
#[inline(always)]
fn reset_word(registers: &Registers, word: u64) {
    registers.write(ICENABLER + word * 4, u32::MAX);
    registers.write(ICPENDR + word * 4, u32::MAX);
    registers.write(ICACTIVER + word * 4, u32::MAX);
    for register in word * 8..(word + 1) * 8 {
        registers.write(IPRIORITYR + register * 4, PRIORITY);
    }
    registers.write(IGROUPR + word * 4, u32::MAX);
    registers.write(IGRPMODR + word * 4, 0);
}

/// Disables the LPIs that firmware has enabled: nothing handles them. An implementation may not
/// allow that (IHI 0069, 12.11.2, GICR_CTLR.EnableLPIs).
#[inline(always)]
fn disable_lpis(redistributor: &Registers) -> Result<(), &'static str> {
    let control = redistributor.read(GICR_CTLR);
    if control & GICR_CTLR_ENABLE_LPIS == 0 {
        return Ok(());
    }
    redistributor.write(GICR_CTLR, control & !GICR_CTLR_ENABLE_LPIS);
    wait_for_redistributor(redistributor);
    match redistributor.read(GICR_CTLR) & GICR_CTLR_ENABLE_LPIS {
        0 => Ok(()),
        _ => Err("firmware has enabled LPIs (GICR_CTLR), and they cannot be disabled: have it \
                  leave them off"),
    }
}

/// Wakes the redistributor (IHI 0069, 11.1).
#[inline(always)]
fn wake(redistributor: &Registers) {
    let waker = redistributor.read(GICR_WAKER);
    redistributor.write(GICR_WAKER, waker & !GICR_WAKER_PROCESSOR_SLEEP);
    while redistributor.read(GICR_WAKER) & GICR_WAKER_CHILDREN_ASLEEP != 0 {}
}

/// Waits until an earlier write to the redistributor has taken effect.
fn wait_for_redistributor(redistributor: &Registers) {
    while redistributor.read(GICR_CTLR) & GICR_CTLR_RWP != 0 {}
}
