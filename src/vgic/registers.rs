//! The registers that describe interrupts, which the distributor and the redistributors' SGI frames
//! have in common, at the same offsets.
//!
//! A bit or field of an interrupt that the partition does not own reads as zero and ignores writes.
//! Each register takes accesses of one word; those with a byte for each interrupt take bytes too.
//! Accesses of another size, or not aligned to it, read as zero and are ignored.

use super::access::RegisterAccess;
use super::bank::NOWHERE;
use super::config::{Delivery, Version};
use super::controller::Vgic;
use super::cpu_mask::CpuMask;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, SGIS, bits};
use super::recall::{Kicks, Recall};

/// What a register tells of interrupts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RegisterKind {
    /// IGROUPR.
    Group,
    /// A register that sets or clears bits.
    State(StateRegister),
    /// IPRIORITYR.
    Priority,
    /// ITARGETSR.
    Targets,
    /// ICFGR.
    Configuration,
}

/// The registers by their offset in units of 0x80 bytes, with how many bits they have for each
/// interrupt: two to the power of this.
const KINDS: [Option<(RegisterKind, u8)>; 0x1a] = {
    const fn state(register: StateRegister) -> Option<(RegisterKind, u8)> {
        Some((RegisterKind::State(register), 0))
    }
    let mut kinds = [None; 0x1a];
    kinds[0x01] = Some((RegisterKind::Group, 0));
    kinds[0x02] = state(StateRegister::SetEnable);
    kinds[0x03] = state(StateRegister::ClearEnable);
    kinds[0x04] = state(StateRegister::SetPending);
    kinds[0x05] = state(StateRegister::ClearPending);
    kinds[0x06] = state(StateRegister::SetActive);
    kinds[0x07] = state(StateRegister::ClearActive);
    let mut nth = 0;
    while nth < 8 {
        kinds[0x08 + nth] = Some((RegisterKind::Priority, 3));
        kinds[0x10 + nth] = Some((RegisterKind::Targets, 3));
        nth += 1;
    }
    (kinds[0x18], kinds[0x19]) =
        (Some((RegisterKind::Configuration, 1)), Some((RegisterKind::Configuration, 1)));
    kinds
};

/// The register that takes this access, or the one byte of it, and the interrupts that it describes, as
/// `owner` has them.
#[inline(always)]
pub(super) fn register_at(
    access: RegisterAccess,
    owner: usize,
) -> Option<(RegisterKind, IntidSet)> {
    let (kind, width) = (*KINDS.get((access.offset >> 7) as usize)?)?;
    if !access.is_aligned() || !(access.size == 4 || access.size == 1 && width == 3) {
        return None;
    }
    // The registers of a kind begin at a multiple of 0x80 bytes for each bit.
    let byte = access.offset as u32 & ((0x80 << width) - 1);
    let intid = byte << 3 >> width;
    let count = (access.size as u32 * 8) >> width;
    let mask = u32::MAX >> (32 - count) << (intid % 32);
    Some((kind, IntidSet::new(owner, (intid / 32) as usize, mask)))
}

/// Puts bit n of 16 into bit 2n + 1, where ICFGR tells edge from level.
#[must_use]
pub fn spread(edge: u32) -> u32 {
    bits(edge & 0xffff).fold(0, |value, bit| value | 2 << (2 * bit))
}

/// The opposite of [`spread`].
#[must_use]
pub fn gather(value: u32) -> u32 {
    bits(value & 0xaaaa_aaaa).fold(0, |edge, bit| edge | 1 << (bit / 2))
}

/// How far left in a register is the byte of the interrupt at `bit`, where the first of them is `first`.
pub(super) fn byte_shift(bit: usize, first: u32) -> u32 {
    8 * ((bit as u32).wrapping_sub(first) % 4)
}

impl Vgic {
    /// Reads a register of these interrupts.
    pub(super) fn read_register(
        &self,
        kind: RegisterKind,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) -> Result<u64, Recall> {
        if set.word() >= self.words() {
            return Ok(0);
        }
        let bank = self.bank(set);
        let first = set.first();
        let set = set.with(set.mask() & bank.owned());
        Ok(u64::from(match kind {
            RegisterKind::Group => bank.group1,
            RegisterKind::State(StateRegister::SetEnable | StateRegister::ClearEnable) => {
                bank.enabled
            }
            RegisterKind::State(state) => self.read_state(state.is_pending(), set, hw)?,
            RegisterKind::Priority | RegisterKind::Targets => {
                bits(set.mask()).fold(0, |value, bit| {
                    let byte = match kind {
                        RegisterKind::Priority => bank.entries[bit].priority(),
                        _ => self.targets(bank, hw.vcpu(), bit),
                    };
                    value | u32::from(byte) << byte_shift(bit, first)
                })
            }
            RegisterKind::Configuration => spread(bank.edge >> first),
        }))
    }

    /// The pending or the active interrupts of a set, wherever that is noted.
    fn read_state(
        &self,
        pending: bool,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) -> Result<u32, Recall> {
        if self.delivery == Delivery::Direct {
            return Ok(self.read_physical_state(pending, set, hw));
        }
        let holders = self.holders(set);
        Recall::of(holders.without(hw.vcpu()))?;
        let bank = self.bank(set);
        let mut state = if pending { bank.pending_now() } else { bank.active };
        if pending && bank.hardware != 0 {
            state |= hw.read_state(StateRegister::SetPending, set) & bank.hardware;
        }
        for vcpu in holders {
            for (index, listed) in self.vcpus[vcpu].arrivals.all_listed() {
                if listed / 32 == set.word() {
                    let lr = hw.read_list_register(index);
                    let is_so = if pending { lr.is_pending() } else { lr.is_active() };
                    state |= u32::from(is_so) << (listed % 32);
                }
            }
        }
        Ok(state)
    }

    /// Writes a register of these interrupts.
    pub(super) fn write_register(
        &mut self,
        kind: RegisterKind,
        set: IntidSet,
        value: u32,
        hw: &mut impl Hardware,
    ) -> Kicks {
        if set.word() >= self.words() {
            return Ok(CpuMask::EMPTY);
        }
        let bank = self.bank(set);
        let first = set.first();
        let mut mask = set.mask() & bank.owned();
        if let RegisterKind::State(state) = kind {
            mask &= value;
            if self.version == Version::V2 && set.word() == 0 && state.is_pending() {
                // GICv2 has GICD_SPENDSGIR and GICD_CPENDSGIR for SGIs.
                mask &= !SGIS;
            }
        }
        if kind == RegisterKind::Configuration && set.word() == 0 {
            // Whether the trigger of a private interrupt can be changed is left open (IHI 0048B, 4.3.13; IHI
            // 0069, GICR_ICFGR1). In some GICs the change would be every CPU's: QEMU's GICv2 has no
            // bank of them.
            mask &= !bank.hardware;
        }
        let set = set.with(mask);
        if kind == RegisterKind::State(StateRegister::SetEnable)
            && self.delivery == Delivery::Trapped
        {
            // What is enabled may stay in list registers.
            let has_waited = self.set_enabled(true, set, hw);
            self.prepare(set);
            return Ok(if has_waited {
                self.settle(CpuMask::EMPTY, set, hw)
            } else {
                CpuMask::EMPTY
            });
        }
        let kicks = self.withdraw(set, hw)?;
        let (enables, delivery) = (self.enables, self.delivery);
        match kind {
            // All are in Group 1.
            RegisterKind::Group if delivery == Delivery::Direct => {}
            RegisterKind::Group => self.bank_mut(set).set_groups(mask, value, enables),
            RegisterKind::State(state) => self.write_state(state, set, hw),
            RegisterKind::Priority => {
                let bank = self.bank_mut(set);
                for bit in bits(mask) {
                    bank.set_priority(bit, (value >> byte_shift(bit, first)) as u8);
                }
                if delivery == Delivery::Direct {
                    self.pass_priorities(set, hw);
                }
            }
            RegisterKind::Targets => {
                for bit in bits(mask) {
                    let targets = (value >> byte_shift(bit, first)) as u8;
                    self.set_targets(set.with(1 << bit), targets, hw);
                }
            }
            RegisterKind::Configuration => self.configure(set, gather(value) << first, hw),
        }
        self.prepare(set);
        Ok(self.settle(kicks, set, hw))
    }

    /// Enables interrupts, in the usual case: nothing else follows, since
    /// none of them is pending here. Otherwise nothing is done, and the result says so.
    #[inline(always)]
    pub(super) fn enable_idle(&mut self, set: IntidSet, hw: &mut impl Hardware) -> bool {
        let place = self.place(set);
        let Some(bank) = self.banks.get_mut(place) else { return false };
        let mask = set.mask() & bank.owned();
        if (bank.pending_now() | bank.nowhere) & mask != 0 {
            return false;
        }
        bank.enabled |= mask;
        bank.gate(self.enables);
        let passed = match self.delivery {
            Delivery::Trapped => {
                let set = set.with(mask);
                Self::prepare_in(&self.vcpus, self.version, self.physical_sgis, bank, set);
                mask & bank.hardware
            }
            Delivery::Direct => mask & bank.hardware & bank.deliverable,
        };
        if passed != 0 {
            hw.write_state(StateRegister::SetEnable, set.with(passed));
        }
        true
    }

    /// Takes these interrupts out of the list registers, so that memory alone tells their state;
    /// those of other CPUs can only be asked for.
    pub(super) fn withdraw(&mut self, set: IntidSet, hw: &mut impl Hardware) -> Kicks {
        if self.delivery == Delivery::Direct {
            return Ok(CpuMask::EMPTY);
        }
        self.forbid(set);
        let holders = self.holders(set);
        Recall::of(holders.without(hw.vcpu()))?;
        if holders.is_empty() && !self.vcpus[hw.vcpu()].spilled {
            return Ok(CpuMask::EMPTY);
        }
        Ok(self.recall(hw))
    }

    /// Enables interrupts or disables them. Returns whether one of them now waits to be delivered.
    fn set_enabled(&mut self, on: bool, set: IntidSet, hw: &mut impl Hardware) -> bool {
        let mask = set.mask();
        let enables = self.enables;
        let bank = self.bank_mut(set);
        bank.enabled = bank.enabled & !mask | if on { mask } else { 0 };
        bank.gate(enables);
        if bank.hardware & mask != 0 {
            let register = if on { StateRegister::SetEnable } else { StateRegister::ClearEnable };
            hw.write_state(register, set.with(bank.hardware & mask));
        }
        bank.ready() & mask != 0
    }

    /// Sets or clears state bits of interrupts that are in no list register.
    pub(super) fn write_state(
        &mut self,
        register: StateRegister,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) {
        if self.delivery == Delivery::Direct {
            return self.write_physical_state(register, set, hw);
        }
        let mask = set.mask();
        let bank = self.bank_mut(set);
        let hardware = bank.hardware & mask;
        let mut forward = |register, mask| {
            if mask != 0 {
                hw.write_state(register, set.with(mask));
            }
        };
        match register {
            StateRegister::SetEnable | StateRegister::ClearEnable => {
                self.set_enabled(register == StateRegister::SetEnable, set, hw);
                return;
            }
            StateRegister::SetPending => {
                // One that is noted as pending would become pending a second time.
                forward(register, hardware & !bank.pending);
                bank.pending |= bank.virtual_only & mask;
            }
            StateRegister::ClearPending => {
                forward(register, hardware);
                // Inactive again, it becomes pending again if its line is still high.
                forward(StateRegister::ClearActive, hardware & bank.pending);
                bank.pending &= !mask;
            }
            StateRegister::SetActive => {
                let started = mask & !bank.active;
                bank.active |= started;
                forward(register, hardware & started);
                // What is both pending and active can only be so in the physical GIC.
                let both = hardware & started & bank.pending;
                forward(StateRegister::SetPending, both & bank.edge);
                bank.pending &= !both;
                for bit in bits(started) {
                    let route = &mut bank.routes[bit];
                    route.active_on = if route.vcpu == NOWHERE { 0 } else { route.vcpu };
                }
            }
            StateRegister::ClearActive => {
                forward(register, hardware & bank.active);
                bank.active &= !mask;
            }
        }
        if set.word() == 0 {
            self.bank_mut(set).write_sgi_states(register, mask & SGIS);
        }
        self.summarize(set);
    }

    /// Makes interrupts edge-triggered or level-sensitive. That of SGIs is fixed.
    pub(super) fn configure(&mut self, set: IntidSet, edge: u32, hw: &mut impl Hardware) {
        let mask = set.mask();
        let fixed = if set.word() == 0 { SGIS } else { 0 };
        let bank = self.bank_mut(set);
        let (hardware, virtual_only) = (bank.hardware & mask, bank.virtual_only & mask & !fixed);
        bank.edge = bank.edge & !virtual_only | edge & virtual_only;
        if hardware != 0 {
            let edge = hw.set_edge(set.with(hardware), edge);
            bank.edge = bank.edge & !hardware | edge & hardware;
            // Without list registers that look at it, a level that is high makes pending by itself.
            let level = bank.line & !bank.edge & hardware;
            if level != 0 && self.delivery == Delivery::Direct {
                hw.write_state(StateRegister::SetPending, set.with(level));
            }
        }
        self.summarize(set);
    }
}
