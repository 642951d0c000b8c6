//! What the virtual GIC remembers of each interrupt.

use crate::intid::Intid;

use super::list_register::LR;
use super::{CpuMask, Hardware, ListRegister, Vgic};

/// How many bits of a priority the guest can set, as in the narrowest virtual CPU interface.
const PRIORITY_MASK: u8 = 0xf8;

/// The interrupts of word 0 that are SGIs.
pub(super) const SGIS: u32 = 0xffff;

/// An SPI that is routed to no vCPU.
pub(super) const NOWHERE: u8 = 0xff;

/// In [`Vcpu::listed`]: a list register that was never written.
pub(super) const UNUSED: u16 = 1023;

/// 32 interrupts with successive numbers, a bit for each.
///
/// That an interrupt is pending is noted in one place: in the physical GIC until EL2 acknowledges
/// it (`hardware` ones), then here or in a list register. It comes back from there to be active
/// only here, when the list registers are needed for others.
#[derive(Debug)]
pub(super) struct Bank {
    /// Owned, with a physical interrupt behind.
    pub hardware: u32,
    /// Owned, and raised by Bulkhead or by the guest itself.
    pub software: u32,
    /// What the guest set with ISENABLER.
    pub enabled: u32,
    /// Group 1 rather than Group 0.
    pub group1: u32,
    /// Those that may be delivered once pending: they are enabled, and so is their group.
    pub deliverable: u32,
    /// Edge-triggered rather than level-sensitive.
    pub edge: u32,
    /// Pending until acknowledged.
    pub pending: u32,
    /// The same, but gone to a list register.
    pub lent: u32,
    /// The lines of software interrupts that are high.
    pub line: u32,
    /// Active, and not in a list register.
    pub active: u32,
    /// The list register of each, all but its state: here are its priority and its group too.
    pub entries: [ListRegister; 32],
}

impl Bank {
    /// The interrupts of `word`, of which these are owned.
    pub fn new(word: usize, hardware: u32, software: u32) -> Self {
        let entry = |bit: usize| {
            let intid = (word * 32 + bit) as u32;
            ListRegister::new(intid, hardware >> bit & 1 != 0)
        };
        Self {
            hardware,
            software,
            enabled: 0,
            group1: 0,
            deliverable: 0,
            edge: 0,
            pending: 0,
            lent: 0,
            line: 0,
            active: 0,
            entries: core::array::from_fn(entry),
        }
    }

    /// The interrupts that the guest can see.
    pub fn owned(&self) -> u32 {
        self.hardware | self.software
    }

    /// Keeps `deliverable` right after a change, where GICD_CTLR enables these groups.
    pub fn gate(&mut self, enables: u32) {
        let [group0, group1] = [0, 1].map(|group| 0u32.wrapping_sub(enables >> group & 1));
        self.deliverable = self.enabled & ((!self.group1 & group0) | (self.group1 & group1));
    }

    /// Sets the priority of the interrupt at this bit.
    pub fn set_priority(&mut self, bit: usize, priority: u8) {
        let priority = u64::from(priority & PRIORITY_MASK);
        self.entries[bit] = self.entries[bit].with(LR::PRIORITY.val(priority));
    }

    /// Sets the groups of these interrupts, where GICD_CTLR enables those of `enables`.
    pub fn set_groups(&mut self, mask: u32, group1: u32, enables: u32) {
        self.group1 = self.group1 & !mask | group1 & mask;
        for bit in bits(mask) {
            let group = u64::from(group1 >> bit & 1);
            self.entries[bit] = self.entries[bit].with(LR::GROUP1.val(group));
        }
        self.gate(enables);
    }

    /// The list register for a physical interrupt of this bank that arrives, if it may be delivered.
    pub fn arrival(&self, intid: Intid) -> Option<ListRegister> {
        let index = intid.get() % 32;
        (self.hardware & self.deliverable & 1 << index != 0)
            .then(|| self.entries[index as usize].with(LR::PENDING::SET))
    }

    /// Takes an interrupt other than an SGI out of memory, to be put in a list register.
    pub fn take(&mut self, index: usize, pending: bool, active: bool) -> ListRegister {
        let bit = 1 << index;
        if pending {
            self.lent = self.lent & !bit | self.pending & bit;
            self.pending &= !bit;
        }
        self.list(index, pending, active)
    }

    /// The list register for an interrupt whose pending state has been taken.
    fn list(&mut self, index: usize, pending: bool, active: bool) -> ListRegister {
        let bit = 1 << index;
        if active {
            self.active &= !bit;
        }
        let state = LR::PENDING.val(u64::from(pending)) + LR::ACTIVE.val(u64::from(active));
        let lr = self.entries[index].with(state);
        if self.software & self.pending_now() & bit != 0 {
            // What is pending still can only go on when this has ended.
            return lr.with(LR::EOI::SET);
        }
        lr
    }

    /// Those that are pending for reasons noted here: latched, or a high line.
    pub fn pending_now(&self) -> u32 {
        self.pending | (self.line & !self.edge)
    }
}

/// Where an SPI goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// As the guest wrote it: the CPU mask of ITARGETSR, or Aff3.Aff2.Aff1.Aff0 of IROUTER.
    pub written: u32,
    /// The vCPU that this means, or `NOWHERE`.
    pub vcpu: u8,
    /// The vCPU on which it is active, where `Bank::active` says so.
    pub active_on: u8,
}

/// What belongs to one vCPU.
#[derive(Debug)]
pub(super) struct Vcpu {
    /// Aff3.Aff2.Aff1.Aff0, as the guest knows it.
    pub affinity: u32,
    /// Its SGIs and PPIs.
    pub bank: Bank,
    /// For each SGI the CPUs from which it is pending. On GICv3, which does not tell them apart,
    /// CPU 0 stands for all.
    pub sources: [u8; 16],
    /// For each active SGI the CPU from which it came.
    pub active_source: [u8; 16],
    /// The INTID last written to each list register, which may have ended since.
    pub listed: [u16; 16],
    /// The next refill must look at everything, not only at what is new.
    pub unsettled: bool,
    /// Active interrupts are left out of the list registers.
    pub spilled: bool,
    /// The maintenance interrupts that are asked for.
    pub maintenance: u32,
    /// GICR_WAKER.ProcessorSleep.
    pub asleep: bool,
}

impl Vcpu {
    /// Notes that an SGI from `source` is pending; false if it was already.
    pub fn latch_sgi(&mut self, sgi: usize, source: u8) -> bool {
        let bit = 1 << source;
        let is_new = self.sources[sgi] & bit == 0;
        self.set_sources(sgi, self.sources[sgi] | bit);
        is_new
    }

    /// Sets the CPUs from which an SGI is pending.
    pub fn set_sources(&mut self, sgi: usize, sources: u8) {
        self.sources[sgi] = sources;
        let bit = 1 << sgi;
        if sources == 0 {
            self.bank.pending &= !bit;
        } else {
            self.bank.pending |= bit;
        }
    }

    /// Takes an SGI out of memory, to be put in a list register: the active one, or the pending one
    /// from the first of its sources.
    pub fn take_sgi(&mut self, sgi: usize, pending: bool, active: bool) -> ListRegister {
        let source =
            if active { self.active_source[sgi] } else { self.sources[sgi].trailing_zeros() as u8 };
        if pending {
            self.set_sources(sgi, self.sources[sgi] & !(1 << source));
        }
        let lr = self.bank.list(sgi, pending, active);
        lr.with(LR::SOURCE.val(u64::from(source)))
    }

    /// Puts an interrupt that is in none yet into a free list register, if nothing else waits.
    pub fn list_new(&mut self, intid: Intid, lr: ListRegister, hw: &mut impl Hardware) -> bool {
        if self.unsettled {
            return false;
        }
        let index = hw.empty_list_registers().trailing_zeros() as usize;
        let Some(listed) = self.listed.get_mut(index) else {
            return false;
        };
        *listed = intid.get() as u16;
        hw.write_list_register(index, lr);
        true
    }

    /// Whether one of these list registers, below 16, was given this interrupt.
    pub fn lists(&self, intid: usize, list_registers: u32) -> bool {
        bits(list_registers).any(|index| usize::from(self.listed[index & 0xf]) == intid)
    }
}

/// The word that an interrupt is in, and its bit there.
pub(super) fn place(intid: Intid) -> (usize, u32) {
    ((intid.get() / 32) as usize, 1 << (intid.get() % 32))
}

/// The positions of the set bits, from the lowest on.
pub(super) fn bits(mut word: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (bit < 32).then_some(bit as usize)
    })
}

impl Vgic {
    /// The 32 interrupts of `word`, which exists; those of word 0 as `vcpu` has them.
    pub(super) fn bank(&self, vcpu: usize, word: usize) -> &Bank {
        match word.checked_sub(1) {
            None => &self.vcpus[vcpu].bank,
            Some(spi) => &self.spis[spi],
        }
    }

    /// The same, to be changed.
    pub(super) fn bank_mut(&mut self, vcpu: usize, word: usize) -> &mut Bank {
        match word.checked_sub(1) {
            None => &mut self.vcpus[vcpu].bank,
            Some(spi) => &mut self.spis[spi],
        }
    }

    /// The route of interrupt `intid`, an SPI that exists.
    pub(super) fn route(&self, intid: usize) -> &Route {
        &self.routes[intid - 32]
    }

    /// The same, to be changed.
    pub(super) fn route_mut(&mut self, intid: usize) -> &mut Route {
        &mut self.routes[intid - 32]
    }

    /// How many words there are.
    pub(super) fn words(&self) -> usize {
        1 + self.spis.len()
    }

    /// Keeps the summary of which words have something in memory, after a change in one.
    pub(super) fn summarize(&mut self, word: usize) {
        if let Some(spi) = word.checked_sub(1) {
            let bank = &self.spis[spi];
            let bit = 1 << word;
            if bank.pending_now() | bank.active == 0 {
                self.busy &= !bit;
            } else {
                self.busy |= bit;
            }
        }
    }

    /// The vCPUs whose list registers may hold one of these interrupts of `owner`'s.
    pub(super) fn holders(&self, owner: usize, word: usize, mask: u32) -> CpuMask {
        let mut holders = CpuMask::EMPTY;
        for (index, vcpu) in self.vcpus.iter().enumerate() {
            let holds = |&listed: &u16| {
                let listed = usize::from(listed);
                listed / 32 == word && mask >> (listed % 32) & 1 != 0
            };
            if (word != 0 || index == owner) && vcpu.listed[..self.room].iter().any(holds) {
                holders |= CpuMask::one(index);
            }
        }
        holders
    }

    /// The vCPUs whose list registers may hold anything.
    pub(super) fn listing(&self) -> CpuMask {
        let lists = |vcpu: &Vcpu| vcpu.listed.iter().any(|&listed| listed != UNUSED);
        (0..self.vcpus.len())
            .filter(|&vcpu| lists(&self.vcpus[vcpu]))
            .fold(CpuMask::EMPTY, |vcpus, vcpu| vcpus | CpuMask::one(vcpu))
    }

    /// The vCPU whose list registers an SPI belongs in: where it is active, or else routed to. May
    /// be `NOWHERE`.
    pub(super) fn deliverer(&self, word: usize, bit: usize) -> usize {
        let route = self.route(word * 32 + bit);
        let is_active = self.bank(0, word).active >> bit & 1 != 0;
        usize::from(if is_active { route.active_on } else { route.vcpu })
    }

    /// The vCPUs that have to put one of these interrupts of `owner`'s into a list register.
    pub(super) fn awaiting(&self, owner: usize, word: usize, mask: u32) -> CpuMask {
        let bank = self.bank(owner, word);
        let ready = bank.pending_now() & bank.deliverable;
        let concerned = (ready | bank.active) & mask;
        if word == 0 {
            return if concerned == 0 { CpuMask::EMPTY } else { CpuMask::one(owner) };
        }
        bits(concerned)
            .fold(CpuMask::EMPTY, |vcpus, bit| vcpus | CpuMask::one(self.deliverer(word, bit)))
    }
}
