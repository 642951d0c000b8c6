//! The interrupt controller of one partition: construction, reset and everything but register
//! accesses.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::arrivals::Arrivals;
use super::backend::Backend;
use super::bank::Bank;
use super::config::{Config, Version};
use super::cpu_mask::CpuMask;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, bits};
use super::recall::Kicks;
use super::state::{GicState, VcpuInterrupts};
use crate::arch::intid::Intid;

/// The interrupt controller of one partition.
///
/// In all methods `hw` is the physical CPU that makes the call, with its view of the machine's GIC.
/// The vCPUs in a returned [`CpuMask`] must leave their guests and call [`refill`](Self::refill),
/// if they are running: EL2 kicks their CPUs with an SGI.
#[derive(Debug)]
pub struct Vgic {
    /// The registers that are emulated in memory.
    pub(super) state: GicState,
    /// How interrupts are delivered.
    pub(super) backend: Backend,
}

impl Vgic {
    /// Creates a GIC. [`reset`](Self::reset) must be called before any other method. No other
    /// method allocates memory.
    #[must_use]
    pub fn new(config: &Config<'_>) -> Self {
        let words = config.it_lines_number.min(31) as usize + 1;
        let backend = Backend::new(config.delivery, words);
        let mask_of = |intids: &[Intid], word| {
            let of_word = intids
                .iter()
                .map(|&intid| IntidSet::one(0, intid))
                .filter(|set| set.word() == word);
            of_word.fold(0, |mask, set| mask | set.mask())
        };
        let bank = |all: IntidSet| {
            let of_word = |intids| mask_of(intids, all.word());
            let (hardware, virtual_only) =
                backend.split(all.word(), of_word(config.hardware), of_word(config.virtual_only));
            let messages = of_word(config.messages);
            Bank { all, hardware, virtual_only, messages, ..Bank::default() }
        };
        let private = (0..config.vcpus).map(|owner| IntidSet::new(owner, 0, u32::MAX));
        let shared = (1..words).map(|word| IntidSet::new(0, word, u32::MAX));
        let banks = private.chain(shared).map(bank).collect();
        let arrivals = || Arrivals::new(backend.arrival_words(words));
        let vcpus = (0..config.vcpus).map(|index| VcpuInterrupts::new(index, arrivals()));
        let state = GicState {
            version: config.version,
            enables: 0,
            unsettled: CpuMask::EMPTY,
            virtual_timer: config.virtual_timer,
            words: words as u8,
            typer: Self::typer(config.version, words, config.vcpus.max(1)),
            vcpus: vcpus.collect::<Vec<_>>().into(),
            banks,
        };
        Self { state, backend }
    }

    /// Resets the GIC, at the partition's start and restart, while none of its vCPUs runs. In the
    /// physical GIC the partition's SPIs become disabled, inactive, level-sensitive and routed to
    /// vCPU 0.
    pub fn reset(&mut self, hw: &mut impl Hardware) {
        self.state.reset();
        self.backend.reset(&mut self.state, hw);
        for vcpu in 0..self.state.vcpus.len() {
            self.mark_timer(vcpu);
        }
        for word in 1..self.state.words() {
            self.reset_physical(word, hw);
            for bit in bits(self.state.bank(IntidSet::new(0, word, 0)).hardware) {
                hw.route(word * 32 + bit, 0);
            }
        }
    }

    /// Resets this CPU's list registers and owned PPIs. Called on each CPU after
    /// [`reset`](Self::reset), before the guest runs there. Not for PSCI CPU_OFF and CPU_ON, which
    /// keep the redistributor's state: those use [`recall`](Self::recall) and
    /// [`refill`](Self::refill).
    pub fn reset_private(&mut self, hw: &mut impl Hardware) {
        self.reset_physical(0, hw);
        self.backend.reset_private(&mut self.state, hw);
    }

    /// Resets the physical interrupts of a word that the partition owns.
    fn reset_physical(&mut self, word: usize, hw: &mut impl Hardware) {
        let word = IntidSet::new(hw.vcpu(), word, u32::MAX);
        let set = word.with(self.state.bank(word).hardware);
        if set.mask() != 0 {
            hw.write_state(StateRegister::ClearEnable, set);
            hw.write_state(StateRegister::ClearPending, set);
            hw.write_state(StateRegister::ClearActive, set);
            self.configure(set, 0, hw);
            self.backend.priorities_changed(self.state.bank(set), set, hw);
        }
    }

    /// Returns the state of a vCPU that its CPU uses without the partition's lock.
    #[must_use]
    pub fn arrivals(&self, vcpu: usize) -> Arc<Arrivals> {
        Arc::clone(&self.state.vcpus[vcpu].arrivals)
    }

    /// Handles a physical interrupt that this CPU acknowledged, whose priority it dropped, and that
    /// [`Arrivals::inject`] refused. `source` is the vCPU that sent an SGI on GICv2. Returns the
    /// other vCPUs to kick; `None` if the partition does not own the interrupt. An SGI must be
    /// deactivated at once by the caller.
    pub fn interrupt(
        &mut self,
        intid: Intid,
        source: u8,
        hw: &mut impl Hardware,
    ) -> Option<CpuMask> {
        self.backend.interrupt(&mut self.state, intid, source, hw)
    }

    /// Handles the maintenance interrupt. Returns the other vCPUs to kick.
    pub fn maintenance(&mut self, hw: &mut impl Hardware) -> CpuMask {
        self.backend.maintenance(&mut self.state, hw)
    }

    /// Updates this CPU's list registers: after a kick, and before the CPU enters a vCPU that was
    /// off or recalled. Returns the other vCPUs to kick.
    pub fn refill(&mut self, hw: &mut impl Hardware) -> CpuMask {
        self.backend.refill(&mut self.state, hw)
    }

    /// Moves the contents of this CPU's list registers into memory: for a
    /// [`Recall`](super::Recall), and before a vCPU is switched off. Returns the other vCPUs to
    /// kick.
    pub fn recall(&mut self, hw: &mut impl Hardware) -> CpuMask {
        self.backend.recall(&mut self.state, hw)
    }

    /// Sets the line of an interrupt that Bulkhead raises, a PPI's on this vCPU. Returns the other
    /// vCPUs to kick.
    ///
    /// Called after each of the guest's accesses to the device while the line is high: with
    /// [`Delivery::Direct`](super::Delivery::Direct) EL2 does not see the guest acknowledge the
    /// interrupt.
    pub fn set_line(&mut self, intid: Intid, high: bool, hw: &mut impl Hardware) -> CpuMask {
        let set = IntidSet::one(hw.vcpu(), intid);
        if set.word() >= self.state.words() {
            return CpuMask::EMPTY;
        }
        self.backend.set_line(&mut self.state, set, high, hw)
    }

    /// Carries out the guest's write of `value` to GICC_DIR (which always traps) or ICC_DIR_EL1
    /// (which traps while ICH_HCR_EL2.TDIR is set). Returns the other vCPUs to kick.
    ///
    /// # Errors
    /// [`Recall`](super::Recall) without any effect.
    pub fn deactivate(&mut self, value: u64, hw: &mut impl Hardware) -> Kicks {
        let (number, source) = match self.state.version {
            Version::V2 => (value & 0x3ff, (value >> 10 & 7) as u8),
            Version::V3 => (value & 0xff_ffff, 0),
        };
        let Some(intid) = Intid::new(number as u32) else {
            return Ok(CpuMask::EMPTY);
        };
        let set = IntidSet::one(hw.vcpu(), intid);
        if set.word() >= self.state.words() {
            return Ok(CpuMask::EMPTY);
        }
        let (gic, backend) = (&mut self.state, &mut self.backend);
        let kicks = backend.withdraw(gic, set, hw)?;
        if !intid.is_sgi() || gic.bank(set).active_source[number as usize] == source {
            backend.write_state(gic, StateRegister::ClearActive, set, hw);
        }
        Ok(backend.deliver(gic, kicks, set, hw))
    }
}
