//! The registers that describe interrupts. The distributor and the redistributors' SGI frames have
//! them at the same offsets.
//!
//! The fields of an interrupt that the partition does not own read as zero and ignore writes. All
//! registers allow 32-bit accesses, those with a byte for each interrupt also byte accesses.
//! Accesses of other sizes and unaligned ones read as zero and are ignored.

use super::access::RegisterAccess;
use super::config::Version;
use super::controller::Vgic;
use super::cpu_mask::CpuMask;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, SGIS, bits};
use super::recall::{Kicks, Recall};

/// The kinds of registers that describe interrupts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RegisterKind {
    /// IGROUPR.
    Group,
    /// A register that sets or clears state bits.
    State(StateRegister),
    /// IPRIORITYR.
    Priority,
    /// ITARGETSR.
    Targets,
    /// ICFGR.
    Configuration,
}

/// The registers by offset in units of 0x80 bytes, each with the binary logarithm of its bits per
/// interrupt (IHI 0048B, 4.1.2; IHI 0069, 12.8).
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
    kinds[0x18] = Some((RegisterKind::Configuration, 1));
    kinds[0x19] = Some((RegisterKind::Configuration, 1));
    kinds
};

/// Returns the kind of the register at an access's offset and the interrupts that the access
/// covers. Private interrupts are those of vCPU `owner`. `None` if there is no such register, or
/// none that allows the access.
#[inline(always)]
pub(super) fn register_at(
    access: RegisterAccess,
    owner: usize,
) -> Option<(RegisterKind, IntidSet)> {
    let (kind, width) = (*KINDS.get((access.offset >> 7) as usize)?)?;
    if !access.is_aligned() || !(access.size == 4 || access.size == 1 && width == 3) {
        return None;
    }
    // The registers of a kind begin at a multiple of 0x80 bytes times their bits per interrupt.
    let byte = access.offset as u32 & ((0x80 << width) - 1);
    let intid = byte << 3 >> width;
    let count = (access.size as u32 * 8) >> width;
    let mask = u32::MAX.wrapping_shr(32_u32.wrapping_sub(count)) << (intid % 32);
    Some((kind, IntidSet::new(owner, (intid / 32) as usize, mask)))
}

/// Converts bits 15:0, one for each edge-triggered interrupt, to a value of ICFGR: bit n becomes
/// bit 2n + 1.
#[must_use]
pub fn spread(edge: u32) -> u32 {
    bits(edge & 0xffff).fold(0, |value, bit| value | 2 << (2 * bit))
}

/// Converts a value of ICFGR to one bit for each edge-triggered interrupt: the inverse of
/// [`spread`].
#[must_use]
pub fn gather(value: u32) -> u32 {
    bits(value & 0xaaaa_aaaa).fold(0, |edge, bit| edge | 1 << (bit / 2))
}

/// Returns the shift of an interrupt's byte in a register that begins with the interrupt at bit
/// `first`.
pub(super) fn byte_shift(bit: usize, first: u32) -> u32 {
    8 * ((bit as u32).wrapping_sub(first) % 4)
}

impl Vgic {
    /// Reads a register that describes the interrupts in `set`.
    pub(super) fn read_register(
        &self,
        kind: RegisterKind,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) -> Result<u64, Recall> {
        if set.word() >= self.state.words() {
            return Ok(0);
        }
        let bank = self.state.bank(set);
        let first = set.first();
        let set = set.with(set.mask() & bank.owned());
        Ok(u64::from(match kind {
            RegisterKind::Group => bank.group1,
            RegisterKind::State(StateRegister::SetEnable | StateRegister::ClearEnable) => {
                bank.enabled
            }
            RegisterKind::State(state) => {
                self.backend.read_state(&self.state, state.is_pending(), set, hw)?
            }
            RegisterKind::Priority | RegisterKind::Targets => {
                bits(set.mask()).fold(0, |value, bit| {
                    let byte = match kind {
                        RegisterKind::Priority => bank.templates[bit].priority(),
                        _ => self.targets(bank, hw.vcpu(), bit),
                    };
                    value | u32::from(byte) << byte_shift(bit, first)
                })
            }
            RegisterKind::Configuration => spread(bank.edge >> first),
        }))
    }

    /// Writes a register that describes the interrupts in `set`. Returns the other vCPUs to kick.
    pub(super) fn write_register(
        &mut self,
        kind: RegisterKind,
        set: IntidSet,
        value: u32,
        hw: &mut impl Hardware,
    ) -> Kicks {
        if set.word() >= self.state.words() {
            return Ok(CpuMask::EMPTY);
        }
        let bank = self.state.bank(set);
        let first = set.first();
        let mut mask = set.mask() & bank.owned();
        if let RegisterKind::State(state) = kind {
            mask &= value;
            if self.state.version == Version::V2 && set.word() == 0 && state.is_pending() {
                // GICv2 has GICD_SPENDSGIR and GICD_CPENDSGIR for SGIs.
                mask &= !SGIS;
            }
        }
        if kind == RegisterKind::Configuration && set.word() == 0 {
            // Whether software can change the trigger of a private interrupt is implementation
            // defined (IHI 0048B, 4.3.13; IHI 0069, GICR_ICFGR1). In some GICs the change applies
            // to all CPUs: QEMU's GICv2 does not bank the register.
            mask &= !bank.hardware;
        }
        if mask == 0 {
            return Ok(CpuMask::EMPTY);
        }
        let set = set.with(mask);
        // Interrupts in list registers are enabled already, or stay there.
        let enables = kind == RegisterKind::State(StateRegister::SetEnable);
        let kicks = if enables {
            CpuMask::EMPTY
        } else {
            self.backend.withdraw(&mut self.state, set, hw)?
        };
        match kind {
            RegisterKind::Group => self.backend.set_groups(&mut self.state, set, value),
            RegisterKind::State(state) => {
                self.backend.write_state(&mut self.state, state, set, hw);
                if state == StateRegister::ClearEnable {
                    self.observe_timer_anew(set);
                }
            }
            RegisterKind::Priority => {
                let is_ranked = self.backend.ranks();
                let bank = self.state.bank_mut(set);
                for bit in bits(mask) {
                    let priority = (value >> byte_shift(bit, first)) as u8;
                    bank.set_priority(bit, priority, is_ranked);
                }
                self.backend.priorities_changed(bank, set, hw);
            }
            RegisterKind::Targets => {
                for bit in bits(mask) {
                    let targets = (value >> byte_shift(bit, first)) as u8;
                    self.set_targets(set.with(1 << bit), targets, hw);
                }
            }
            RegisterKind::Configuration => self.configure(set, gather(value) << first, hw),
        }
        if enables && self.state.bank(set).ready() & mask == 0 {
            self.backend.prepare(&self.state, set);
            return Ok(CpuMask::EMPTY);
        }
        Ok(self.backend.deliver(&mut self.state, kicks, set, hw))
    }

    /// Enables interrupts if none of them is pending in memory or unrouted, so that nothing needs
    /// to be delivered. Otherwise returns false without any effect.
    #[inline(always)]
    pub(super) fn enable_idle(&mut self, set: IntidSet, hw: &mut impl Hardware) -> bool {
        let index = self.state.bank_index(set);
        let Some(bank) = self.state.banks.get_mut(index) else { return false };
        let mask = set.mask() & bank.owned();
        if (bank.pending() | bank.unrouted) & mask != 0 {
            return false;
        }
        bank.enabled |= mask;
        bank.update_deliverable(self.state.enables);
        self.backend.enabled_idle(&self.state.vcpus, self.state.version, bank, set.with(mask), hw);
        true
    }

    /// Makes interrupts edge-triggered where `edge` has a one, level-sensitive elsewhere. SGIs are
    /// always edge-triggered.
    pub(super) fn configure(&mut self, set: IntidSet, edge: u32, hw: &mut impl Hardware) {
        let mask = set.mask();
        let fixed = if set.word() == 0 { SGIS } else { 0 };
        let bank = self.state.bank_mut(set);
        let (hardware, virtual_only) = (bank.hardware & mask, bank.virtual_only & mask & !fixed);
        bank.edge = bank.edge & !virtual_only | edge & virtual_only;
        if hardware != 0 {
            let edge = hw.set_edge(set.with(hardware), edge);
            bank.edge = bank.edge & !hardware | edge & hardware;
        }
        let high = set.with(bank.line & !bank.edge & mask);
        self.backend.trigger_changed(&self.state, high, hw);
    }
}
