//! The registers that describe interrupts, which the distributor and the redistributors' SGI frames
//! have in common, at the same offsets.
//!
//! A bit or field of an interrupt that the partition does not own reads as zero and ignores writes.
//! Each register takes accesses of one word; those with a byte for each interrupt take bytes too.
//! Accesses of another size, or not aligned to it, read as zero and are ignored.

use super::distributor::is_aligned;
use super::hardware::{Hardware, StateRegister};
use super::state::{NOWHERE, SGIS, bits};
use super::{CpuMask, Recall, Version, Vgic};

/// A register, and which interrupts it describes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Register {
    /// IGROUPR of this word.
    Group(usize),
    /// A register of this word that sets or clears bits.
    State(StateRegister, usize),
    /// IPRIORITYR from this INTID on.
    Priority(usize),
    /// ITARGETSR from this INTID on.
    Targets(usize),
    /// ICFGR of the 16 interrupts from this INTID on.
    Configuration(usize),
}

impl Register {
    /// The register at `offset`, if it takes accesses of `size` bytes.
    pub fn at(offset: u64, size: u64) -> Option<Self> {
        let word = (offset & 0x7f) as usize / 4;
        let byte = (offset & 0x3ff) as usize;
        let register = match offset >> 7 {
            0x01 => Self::Group(word),
            0x02 => Self::State(StateRegister::SetEnable, word),
            0x03 => Self::State(StateRegister::ClearEnable, word),
            0x04 => Self::State(StateRegister::SetPending, word),
            0x05 => Self::State(StateRegister::ClearPending, word),
            0x06 => Self::State(StateRegister::SetActive, word),
            0x07 => Self::State(StateRegister::ClearActive, word),
            0x08..=0x0f => Self::Priority(byte),
            0x10..=0x17 => Self::Targets(byte),
            0x18 | 0x19 => Self::Configuration((offset & 0xff) as usize * 4),
            _ => return None,
        };
        let has_bytes = matches!(register, Self::Priority(_) | Self::Targets(_));
        (is_aligned(offset, size) && (size == 4 || has_bytes && size == 1)).then_some(register)
    }

    /// The word of the interrupts that it describes.
    pub fn word(self) -> usize {
        match self {
            Self::Group(word) | Self::State(_, word) => word,
            Self::Priority(intid) | Self::Targets(intid) | Self::Configuration(intid) => intid / 32,
        }
    }

    /// Whether it is ISPENDR or ICPENDR.
    fn is_pending_state(self) -> bool {
        matches!(self, Self::State(StateRegister::SetPending | StateRegister::ClearPending, _))
    }

    /// The interrupts of the word that a write of `size` bytes may change.
    fn written(self, size: u64, value: u32) -> u32 {
        match self {
            Self::Group(_) => u32::MAX,
            Self::State(_, _) => value,
            Self::Priority(intid) | Self::Targets(intid) => ((1 << size) - 1) << (intid % 32),
            Self::Configuration(intid) => 0xffff << (intid % 32),
        }
    }
}

/// Puts bit n of 16 into bit 2n + 1, where ICFGR tells edge from level.
fn spread(edge: u32) -> u32 {
    bits(edge & 0xffff).fold(0, |value, bit| value | 2 << (2 * bit))
}

/// The opposite of [`spread`].
fn gather(value: u32) -> u32 {
    bits(value & 0xaaaa_aaaa).fold(0, |edge, bit| edge | 1 << (bit / 2))
}

/// Byte `index` of a word.
fn byte(value: u32, index: usize) -> u8 {
    (value >> (8 * index)) as u8
}

impl Vgic {
    /// Reads a register of the interrupts as `owner` has them.
    pub(super) fn read_register(
        &mut self,
        vcpu: usize,
        owner: usize,
        register: Register,
        size: u64,
        hw: &mut impl Hardware,
    ) -> Result<u64, Recall> {
        let word = register.word();
        if word >= self.words() {
            return Ok(0);
        }
        let bank = self.bank(owner, word);
        let bytes = |at: &dyn Fn(usize) -> u8, first: usize| {
            (0..size as usize)
                .filter(|i| bank.owned() >> (first % 32 + i) & 1 != 0)
                .fold(0, |value, i| value | u64::from(at(first + i)) << (8 * i))
        };
        Ok(match register {
            Register::Group(_) => u64::from(bank.group1),
            Register::State(StateRegister::SetEnable | StateRegister::ClearEnable, _) => {
                u64::from(bank.enabled)
            }
            Register::State(register, _) => {
                let others = self.holders(owner, word, bank.owned()).without(vcpu);
                if !others.is_empty() {
                    return Err(Recall(others));
                }
                let (pending, active) = self.read_states(vcpu, owner, word, hw);
                u64::from(match register {
                    StateRegister::SetPending | StateRegister::ClearPending => pending,
                    _ => active,
                })
            }
            Register::Priority(first) => bytes(&|intid| bank.entries[intid % 32].priority(), first),
            Register::Targets(first) => bytes(&|intid| self.targets(vcpu, intid), first),
            Register::Configuration(first) => u64::from(spread(bank.edge >> (first % 32))),
        })
    }

    /// The pending and the active interrupts of a word, wherever that is noted.
    fn read_states(
        &self,
        vcpu: usize,
        owner: usize,
        word: usize,
        hw: &mut impl Hardware,
    ) -> (u32, u32) {
        let bank = self.bank(owner, word);
        let (mut pending, mut active) = (bank.pending_now(), bank.active);
        for (index, &listed) in self.vcpus[vcpu].listed.iter().enumerate() {
            if usize::from(listed) / 32 != word || (word == 0 && owner != vcpu) {
                continue;
            }
            let bit = 1 << (listed % 32);
            let lr = hw.read_list_register(index);
            if lr.is_pending() {
                pending |= bit;
            }
            if lr.is_active() {
                active |= bit;
            }
        }
        if bank.hardware != 0 {
            pending |= hw.read_pending(owner, word) & bank.hardware;
        }
        (pending, active)
    }

    /// Writes a register of the interrupts as `owner` has them.
    pub(super) fn write_register(
        &mut self,
        vcpu: usize,
        owner: usize,
        register: Register,
        (size, value): (u64, u32),
        hw: &mut impl Hardware,
    ) -> Result<CpuMask, Recall> {
        let word = register.word();
        if word >= self.words() {
            return Ok(CpuMask::EMPTY);
        }
        let mut mask = register.written(size, value) & self.bank(owner, word).owned();
        if self.version == Version::V2 && word == 0 && register.is_pending_state() {
            // GICv2 has GICD_SPENDSGIR and GICD_CPENDSGIR for SGIs.
            mask &= !SGIS;
        }
        let mut kicks = CpuMask::EMPTY;
        if let Register::State(StateRegister::SetEnable, _) = register {
            if !self.enable(owner, word, mask, hw) {
                return Ok(kicks);
            }
        } else {
            kicks = self.withdraw(vcpu, owner, word, mask, hw)?;
            self.apply(owner, register, mask, value, hw);
        }
        kicks |= self.awaiting(owner, word, mask);
        Ok(self.settle(vcpu, kicks, hw))
    }

    /// Enables interrupts, which may be in list registers. Returns whether one of them has waited
    /// for that.
    fn enable(&mut self, owner: usize, word: usize, mask: u32, hw: &mut impl Hardware) -> bool {
        let enables = self.enables;
        let bank = self.bank_mut(owner, word);
        bank.enabled |= mask;
        bank.gate(enables);
        if bank.hardware & mask != 0 {
            hw.write_state(owner, StateRegister::SetEnable, word, bank.hardware & mask);
        }
        bank.pending_now() & bank.deliverable & mask != 0
    }

    /// Makes a write to interrupts that are in no list register; `mask` tells which it changes.
    fn apply(
        &mut self,
        owner: usize,
        register: Register,
        mask: u32,
        value: u32,
        hw: &mut impl Hardware,
    ) {
        let word = register.word();
        match register {
            Register::Group(_) => {
                let enables = self.enables;
                self.bank_mut(owner, word).set_groups(mask, value, enables);
            }
            Register::State(state, _) => self.write_state(owner, state, word, mask, hw),
            Register::Priority(first) => {
                let bank = self.bank_mut(owner, word);
                for bit in bits(mask) {
                    bank.set_priority(bit, byte(value, bit - first % 32));
                }
            }
            Register::Targets(first) => {
                for bit in bits(mask) {
                    self.set_targets(word * 32 + bit, byte(value, bit - first % 32), hw);
                }
            }
            Register::Configuration(first) => {
                let edge = gather(value) << (first % 32);
                self.configure(owner, word, mask, edge, hw);
            }
        }
    }

    /// Takes these interrupts of `owner`'s out of the list registers, so that memory alone tells
    /// their state; those of other CPUs can only be asked for.
    pub(super) fn withdraw(
        &mut self,
        vcpu: usize,
        owner: usize,
        word: usize,
        mask: u32,
        hw: &mut impl Hardware,
    ) -> Result<CpuMask, Recall> {
        let holders = self.holders(owner, word, mask);
        let others = holders.without(vcpu);
        if !others.is_empty() {
            return Err(Recall(others));
        }
        if holders.is_empty() && !self.vcpus[vcpu].spilled {
            return Ok(CpuMask::EMPTY);
        }
        Ok(self.recall(vcpu, hw))
    }

    /// Sets or clears state bits of interrupts that are in no list register.
    pub(super) fn write_state(
        &mut self,
        owner: usize,
        register: StateRegister,
        word: usize,
        mask: u32,
        hw: &mut impl Hardware,
    ) {
        let enables = self.enables;
        let bank = self.bank_mut(owner, word);
        let hardware = bank.hardware & mask;
        let software = bank.software & mask;
        let mut forward = |register, mask| {
            if mask != 0 {
                hw.write_state(owner, register, word, mask);
            }
        };
        match register {
            StateRegister::SetEnable => {
                self.enable(owner, word, mask, hw);
            }
            StateRegister::ClearEnable => {
                bank.enabled &= !mask;
                bank.gate(enables);
                forward(register, hardware);
            }
            StateRegister::SetPending => {
                // One that is noted as pending would become pending a second time.
                forward(register, hardware & !bank.pending);
                bank.pending |= software;
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
                self.start(owner, word, started);
            }
            StateRegister::ClearActive => {
                forward(register, hardware & bank.active);
                bank.active &= !mask;
            }
        }
        if word == 0 && matches!(register, StateRegister::SetPending | StateRegister::ClearPending)
        {
            let state = &mut self.vcpus[owner];
            let source = u8::from(register == StateRegister::SetPending);
            for sgi in bits(mask & SGIS) {
                state.set_sources(sgi, source);
            }
        }
        self.summarize(word);
    }

    /// Notes where interrupts are active that the guest made so itself: where they are routed to;
    /// an SGI as if it came from CPU 0.
    fn start(&mut self, owner: usize, word: usize, mask: u32) {
        for bit in bits(mask) {
            if word != 0 {
                let route = self.route_mut(word * 32 + bit);
                route.active_on = if route.vcpu == NOWHERE { 0 } else { route.vcpu };
            } else if bit < 16 {
                self.vcpus[owner].active_source[bit] = 0;
            }
        }
    }

    /// Makes interrupts edge-triggered or level-sensitive. That of SGIs is fixed.
    pub(super) fn configure(
        &mut self,
        owner: usize,
        word: usize,
        mask: u32,
        edge: u32,
        hw: &mut impl Hardware,
    ) {
        let fixed = if word == 0 { SGIS } else { 0 };
        let bank = self.bank_mut(owner, word);
        let (hardware, software) = (bank.hardware & mask, bank.software & mask & !fixed);
        bank.edge = bank.edge & !software | edge & software;
        if hardware != 0 {
            let edge = hw.set_edge(owner, word, hardware, edge & hardware);
            bank.edge = bank.edge & !hardware | edge & hardware;
        }
        self.summarize(word);
    }
}
