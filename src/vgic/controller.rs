//! The interrupt controller of one partition: its start and its state.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::arrivals::Arrivals;
use super::bank::{Bank, Route};
use super::config::{Config, Delivery, Version};
use super::cpu_mask::CpuMask;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, SGIS, bits};
use super::list_register::ListRegister;
use super::recall::Kicks;
use super::state::VcpuInterrupts;
use crate::arch::intid::Intid;

/// The interrupt controller of one partition.
///
/// `hw` is always the physical CPU that makes the call, with its view of the machine's GIC. Where a [`CpuMask`] comes back, those vCPUs must leave their guests
/// (a doorbell) and call [`refill`](Self::refill), if they are running at all.
#[derive(Debug)]
pub struct Vgic {
    pub(super) version: Version,
    pub(super) delivery: Delivery,
    /// GICD_CTLR.EnableGrp0 and EnableGrp1.
    pub(super) enables: u32,
    /// The SGIs that physical ones may stand for.
    pub(super) physical_sgis: u32,
    /// GICD_TYPER, which stays.
    pub(super) typer: u32,
    pub(super) vcpus: Vec<VcpuInterrupts>,
    /// The private interrupts of each vCPU, then the words of SPIs from 1 on.
    pub(super) banks: Vec<Bank>,
    /// How many list registers each CPU has, at most 16.
    pub(super) room: usize,
    /// The words from 1 on that have an interrupt pending or active in memory.
    pub(super) busy: u32,
}

impl Vgic {
    /// A GIC that has to be [`reset`](Self::reset) before anything else. The only method that
    /// allocates.
    #[must_use]
    pub fn new(config: &Config<'_>) -> Self {
        let owned = |intids: &[Intid], word| {
            let of_word = intids
                .iter()
                .map(|&intid| IntidSet::one(0, intid))
                .filter(|set| set.word() == word);
            of_word.fold(0, |mask, set| mask | set.mask())
        };
        let owned = |word| {
            let (hardware, virtual_only) =
                (owned(config.hardware, word), owned(config.virtual_only, word));
            match config.delivery {
                Delivery::Trapped => (hardware, virtual_only),
                Delivery::Direct if word == 0 => (hardware | virtual_only | SGIS, 0),
                Delivery::Direct => (hardware | virtual_only, 0),
            }
        };
        let words = config.it_lines_number.min(31) as usize + 1;
        let arriving = if config.delivery == Delivery::Trapped { words } else { 0 };
        let bank = |all: IntidSet| {
            let (hardware, virtual_only) = owned(all.word());
            Bank { all, hardware, virtual_only, ..Bank::default() }
        };
        let private = (0..config.vcpus).map(|owner| IntidSet::new(owner, 0, u32::MAX));
        let shared = (1..words).map(|word| IntidSet::new(0, word, u32::MAX));
        let vcpu = |index| VcpuInterrupts::new(index, Arrivals::new(arriving));
        Self {
            version: config.version,
            delivery: config.delivery,
            enables: 0,
            physical_sgis: 0,
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
        self.physical_sgis = u32::from(hw.physical_sgis());
        self.reset_memory();
        for word in 1..self.words() {
            self.reset_physical(word, hw);
            for bit in bits(self.bank(IntidSet::new(0, word, 0)).hardware) {
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
        let private = IntidSet::new(hw.vcpu(), 0, SGIS);
        self.bank_mut(private).write_sgi_states(StateRegister::ClearPending, SGIS);
        self.room = hw.list_registers().min(16);
        for index in 0..self.room {
            hw.write_list_register(index, ListRegister::EMPTY);
        }
        hw.set_maintenance(0);
        hw.take_eoi_count();
    }

    fn reset_physical(&mut self, word: usize, hw: &mut impl Hardware) {
        let word = IntidSet::new(hw.vcpu(), word, u32::MAX);
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
        self.vcpus.iter_mut().for_each(VcpuInterrupts::reset);
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
    pub(super) fn enable_groups(&mut self, enables: u32, hw: &mut impl Hardware) {
        self.enables = enables;
        self.banks.iter_mut().for_each(|bank| bank.gate(enables));
        match self.delivery {
            Delivery::Trapped => self.prepare_all(),
            Delivery::Direct => self.pass_enables(hw),
        }
    }

    /// The line of a virtual-only interrupt is now high or low; a PPI's on this vCPU. Called after each
    /// of the guest's accesses to the device while the line is high: with [`Delivery::Direct`] nobody
    /// else can tell whether the guest has taken the interrupt meanwhile.
    pub fn set_line(&mut self, intid: Intid, high: bool, hw: &mut impl Hardware) -> CpuMask {
        let set = IntidSet::one(hw.vcpu(), intid);
        if set.word() >= self.words() {
            return CpuMask::EMPTY;
        }
        if self.delivery == Delivery::Direct {
            self.set_physical_line(set, high, hw);
            return CpuMask::EMPTY;
        }
        let bank = self.bank_mut(set);
        if bank.virtual_only & set.mask() == 0 || (bank.line & set.mask() != 0) == high {
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
        let set = IntidSet::one(hw.vcpu(), intid);
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

impl Vgic {
    /// Where the bank of a set is; past the end where there is no such word.
    #[inline(always)]
    pub(super) fn place(&self, set: IntidSet) -> usize {
        match set.word() {
            0 => set.owner(),
            word => self.vcpus.len() + word - 1,
        }
    }

    /// The 32 interrupts of a set's word, which exists.
    #[inline]
    pub(super) fn bank(&self, set: IntidSet) -> &Bank {
        &self.banks[self.place(set)]
    }

    /// The same, to be changed.
    #[inline]
    pub(super) fn bank_mut(&mut self, set: IntidSet) -> &mut Bank {
        let place = self.place(set);
        &mut self.banks[place]
    }

    /// How many words there are.
    pub(super) fn words(&self) -> usize {
        1 + self.banks.len() - self.vcpus.len()
    }

    /// Keeps the summary of which words have something in memory, after a change in one.
    pub(super) fn summarize(&mut self, set: IntidSet) {
        let word = set.word();
        if word != 0 {
            let bank = self.bank(set);
            let is_busy = bank.pending_now() | bank.active != 0;
            self.busy = self.busy & !(1 << word) | u32::from(is_busy) << word;
        }
    }

    /// The vCPUs whose list registers may hold one of these interrupts.
    pub(super) fn holders(&self, set: IntidSet) -> CpuMask {
        let mut holders = CpuMask::EMPTY;
        for (index, vcpu) in self.vcpus.iter().enumerate() {
            let may_hold = set.word() != 0 || index == set.owner();
            if may_hold && vcpu.lists(set.word(), set.mask(), (1 << self.room) - 1) {
                holders |= CpuMask::one(index);
            }
        }
        holders
    }

    /// The vCPUs that have to put one of these interrupts into a list register.
    pub(super) fn awaiting(&self, set: IntidSet) -> CpuMask {
        let bank = self.bank(set);
        let mut vcpus = CpuMask::EMPTY;
        if self.delivery == Delivery::Direct {
            return vcpus;
        }
        for bit in bits((bank.ready() | bank.active) & set.mask()) {
            vcpus |= CpuMask::one(bank.deliverer(bit));
        }
        vcpus
    }
}
