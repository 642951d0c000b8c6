//! The interrupt controller that a guest sees.
//!
//! The guest's CPU interface is the hardware's virtual one (GICV, or the ICV registers), and each
//! vCPU has a physical CPU to itself. What is emulated is the distributor and, on GICv3, the
//! redistributors (IHI 0048B, IHI 0069), by one [`Vgic`] for each partition, whose lock EL2 holds. An
//! interrupt that only goes into a list register does so without it: see [`Arrivals`].
//!
//! A *hardware* interrupt is a physical one that the partition owns. Until EL2 acknowledges it the
//! physical GIC knows best, so the guest's writes are passed on to it; then it is pending here, and
//! physically active until the guest deactivates it through its list register. Its physical
//! priority is constant, the one that the guest sets counts in the list register. A *software*
//! interrupt has nothing behind it: SGIs, and those that Bulkhead raises by [`Vgic::set_line`]. A physical
//! SGI may carry one to its target, on GICv3 one of Group 1: it is deactivated as soon as it arrives.
//!
//! That is [`Delivery::Trapped`]. With [`Delivery::Direct`] there are no list registers: see `direct`.
//!
//! Out of reset all interrupts are disabled, in Group 0, of priority 0, level-sensitive and, on
//! GICv3, routed to affinity 0; but GICv2's SGIs are enabled, since in most implementations they
//! are always.
//!
//! Known limits, all from physical interrupts and list registers being what they are:
//! - A hardware interrupt that EL2 has taken stays pending when its line falls, and an edge that
//!   comes before the guest acknowledges it makes it pending once more.
//! - With EOImode 1 an SGI from a second source waits until the first is deactivated, and on GICv3
//!   an SPI is deactivated only by the vCPU that acknowledged it.
//! - While active interrupts do not fit into the list registers, an EOI of one of those ends the most
//!   urgent of them, which is another if the guest itself made that one active, or this one inactive.

mod arrivals;
mod cpu_mask;
mod delivery;
mod direct;
mod frames;
mod hardware;
mod interface;
mod list_register;
mod registers;
mod request;
mod routing;
mod selection;
mod sgi;
mod sgir;
mod state;

#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::arch::intid::Intid;
use state::{Bank, Route, SGIS, Vcpu, bits};

pub use arrivals::Arrivals;
pub use cpu_mask::CpuMask;
pub use frames::Access;
pub use hardware::{Hardware, StateRegister};
pub use interface::{CpuInterfaceRegister, Priorities};
pub use list_register::ListRegister;
pub use registers::{gather, spread};
pub use request::Request;
pub use sgi::{SgiRegister, SgiRequest, SgiRoute};
pub use sgir::SgirRoute;
pub use state::Set;

/// The version of the GIC architecture that a partition sees: the machine's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// IHI 0048B.
    V2,
    /// IHI 0069, with affinity routing only and a single Security state.
    V3,
}

/// How a partition's interrupts reach it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// By way of EL2, which puts them into list registers.
    Trapped,
    /// From the physical CPU interface, with no exit. For GICv3 alone.
    Direct,
}

/// What a partition's GIC is made from.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// The version.
    pub version: Version,
    /// How interrupts are delivered.
    pub delivery: Delivery,
    /// How many vCPUs it has: 1 to 64, at most 8 on GICv2. Their affinities are those of
    /// [`Mpidr::of_vcpu`](crate::machine::Mpidr::of_vcpu).
    pub vcpus: usize,
    /// GICD_TYPER.ITLinesNumber: there are 32 (n + 1) INTIDs. 0 to 31.
    pub it_lines_number: u32,
    /// The physical interrupts that the partition owns: PPIs, of each of its CPUs, and SPIs.
    pub hardware: &'a [Intid],
    /// The interrupts that Bulkhead raises by [`Vgic::set_line`]: PPIs and SPIs.
    pub software: &'a [Intid],
}

/// An access was not carried out, because its outcome stands in list registers of these other vCPUs.
///
/// Have each of them leave its guest, call [`Vgic::recall`] there, and stay out until the access,
/// begun again, has succeeded; then each calls [`Vgic::refill`] and goes on. A CPU that waits for
/// this must itself answer such requests, or two of them wait for each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recall(pub CpuMask);

impl Recall {
    /// Demands this of vCPUs, unless there are none.
    fn of(vcpus: CpuMask) -> Result<(), Self> {
        if vcpus.is_empty() { Ok(()) } else { Err(Self(vcpus)) }
    }
}

/// The vCPUs that an access makes look at their list registers, once it is carried out.
pub type Kicks = Result<CpuMask, Recall>;

/// The interrupt controller of one partition.
///
/// `hw` is always the physical CPU that makes the call, with its view of the machine's GIC. Where a [`CpuMask`] comes back, those vCPUs must leave their guests
/// (a doorbell) and call [`refill`](Self::refill), if they are running at all.
#[derive(Debug)]
pub struct Vgic {
    version: Version,
    delivery: Delivery,
    /// GICD_CTLR.EnableGrp0 and EnableGrp1.
    enables: u32,
    /// The SGIs that physical ones may stand for.
    carried: u32,
    /// GICD_TYPER, which stays.
    typer: u32,
    vcpus: Vec<Vcpu>,
    /// The private interrupts of each vCPU, then the words of SPIs from 1 on.
    banks: Vec<Bank>,
    /// How many list registers each CPU has, at most 16.
    room: usize,
    /// The words from 1 on that have an interrupt pending or active in memory.
    busy: u32,
}

impl Vgic {
    /// A GIC that has to be [`reset`](Self::reset) before anything else. The only method that
    /// allocates.
    #[must_use]
    pub fn new(config: &Config<'_>) -> Self {
        let owned = |intids: &[Intid], word| {
            let of_word =
                intids.iter().map(|&intid| Set::one(0, intid)).filter(|set| set.word() == word);
            of_word.fold(0, |mask, set| mask | set.mask())
        };
        let owned = |word| {
            let (hardware, software) = (owned(config.hardware, word), owned(config.software, word));
            match config.delivery {
                Delivery::Trapped => (hardware, software),
                Delivery::Direct if word == 0 => (hardware | software | SGIS, 0),
                Delivery::Direct => (hardware | software, 0),
            }
        };
        let words = config.it_lines_number.min(31) as usize + 1;
        let arriving = if config.delivery == Delivery::Trapped { words } else { 0 };
        let bank = |all: Set| {
            let (hardware, software) = owned(all.word());
            Bank { all, hardware, software, ..Bank::default() }
        };
        let private = (0..config.vcpus).map(|owner| Set::new(owner, 0, u32::MAX));
        let shared = (1..words).map(|word| Set::new(0, word, u32::MAX));
        let vcpu = |index| Vcpu::new(index, Arrivals::new(arriving));
        Self {
            version: config.version,
            delivery: config.delivery,
            enables: 0,
            carried: 0,
            typer: Self::typer(config.version, words, config.vcpus.max(1)),
            vcpus: (0..config.vcpus).map(vcpu).collect(),
            banks: private.chain(shared).map(bank).collect(),
            room: 16,
            busy: 0,
        }
    }

    /// The state of a GIC out of reset, for the partition's start and restart, while none of its
    /// vCPUs runs. In the physical GIC its SPIs become disabled, inactive, level-sensitive and
    /// routed to vCPU 0.
    pub fn reset(&mut self, hw: &mut impl Hardware) {
        self.carried = u32::from(hw.carried_sgis());
        self.reset_memory();
        for word in 1..self.words() {
            self.reset_physical(word, hw);
            for bit in bits(self.bank(Set::new(0, word, 0)).hardware) {
                hw.route(word * 32 + bit, 0);
            }
        }
    }

    /// The same for what is this CPU's own: its list registers and its owned PPIs. Called on each
    /// CPU after [`reset`](Self::reset), before the guest runs there. Not for CPU_OFF and CPU_ON,
    /// through which a redistributor's state lasts: those are [`recall`](Self::recall) and
    /// [`refill`](Self::refill).
    pub fn reset_private(&mut self, hw: &mut impl Hardware) {
        self.reset_physical(0, hw);
        if self.delivery == Delivery::Direct {
            return;
        }
        // What others sent in an earlier life, which may have arrived since.
        hw.clear_sgis();
        let private = Set::new(hw.vcpu(), 0, SGIS);
        self.bank_mut(private).write_sgi_states(StateRegister::ClearPending, SGIS);
        self.room = hw.list_registers().min(16);
        for index in 0..self.room {
            hw.write_list_register(index, ListRegister::EMPTY);
        }
        hw.set_maintenance(0);
        hw.take_eoi_count();
    }

    fn reset_physical(&mut self, word: usize, hw: &mut impl Hardware) {
        let word = Set::new(hw.vcpu(), word, u32::MAX);
        let set = word.with(self.bank(word).hardware);
        if set.mask() != 0 {
            hw.write_state(StateRegister::ClearEnable, set);
            hw.write_state(StateRegister::ClearPending, set);
            hw.write_state(StateRegister::ClearActive, set);
            self.configure(set, 0, hw);
            if self.delivery == Delivery::Direct {
                self.pass_priorities(set, hw);
            }
        }
    }

    fn reset_memory(&mut self) {
        self.enables = 0;
        self.busy = 0;
        let sgis_enabled = if self.version == Version::V2 { SGIS } else { 0 };
        self.vcpus.iter_mut().for_each(Vcpu::reset);
        let shared = self.route_for(0);
        for bank in &mut self.banks {
            if bank.all.word() == 0 {
                bank.reset(Route::to(bank.all.owner()));
                bank.enabled = sgis_enabled;
            } else {
                bank.reset(shared);
            }
            if self.delivery == Delivery::Direct {
                bank.group1 = bank.owned();
            }
        }
    }

    /// What a vCPU's CPU needs of it without the lock.
    #[must_use]
    pub fn arrivals(&self, vcpu: usize) -> Arc<Arrivals> {
        Arc::clone(&self.vcpus[vcpu].arrivals)
    }

    /// Sets GICD_CTLR's enables: bit 0 for Group 0, bit 1 for Group 1.
    fn enable_groups(&mut self, enables: u32, hw: &mut impl Hardware) {
        self.enables = enables;
        self.banks.iter_mut().for_each(|bank| bank.gate(enables));
        match self.delivery {
            Delivery::Trapped => self.prepare_all(),
            Delivery::Direct => self.pass_enables(hw),
        }
    }

    /// The line of a software interrupt is now high or low; a PPI's on this vCPU. Called after each
    /// of the guest's accesses to the device while the line is high: with [`Delivery::Direct`] nobody
    /// else can tell whether the guest has taken the interrupt meanwhile.
    pub fn set_line(&mut self, intid: Intid, high: bool, hw: &mut impl Hardware) -> CpuMask {
        let set = Set::one(hw.vcpu(), intid);
        if set.word() >= self.words() {
            return CpuMask::EMPTY;
        }
        if self.delivery == Delivery::Direct {
            self.set_physical_line(set, high, hw);
            return CpuMask::EMPTY;
        }
        let bank = self.bank_mut(set);
        if bank.software & set.mask() == 0 || (bank.line & set.mask() != 0) == high {
            return CpuMask::EMPTY;
        }
        bank.line ^= set.mask();
        if high {
            bank.pending |= bank.edge & set.mask();
        }
        self.summarize(set);
        let holders = self.holders(set);
        self.unsettle(holders);
        self.settle(holders, set, hw)
    }

    /// The guest wrote `value` to GICC_DIR (which always traps) or ICC_DIR_EL1 (under TDIR).
    ///
    /// # Errors
    /// [`Recall`]: nothing was done yet.
    pub fn deactivate(&mut self, value: u64, hw: &mut impl Hardware) -> Kicks {
        let (number, source) = match self.version {
            Version::V2 => (value & 0x3ff, (value >> 10 & 7) as u8),
            Version::V3 => (value & 0xff_ffff, 0),
        };
        let Some(intid) = Intid::new(number as u32) else {
            return Ok(CpuMask::EMPTY);
        };
        let set = Set::one(hw.vcpu(), intid);
        if set.word() >= self.words() {
            return Ok(CpuMask::EMPTY);
        }
        let kicks = self.withdraw(set, hw)?;
        if !intid.is_sgi() || self.bank(set).active_source[number as usize] == source {
            self.write_state(StateRegister::ClearActive, set, hw);
        }
        self.prepare(set);
        Ok(self.settle(kicks, set, hw))
    }
}
