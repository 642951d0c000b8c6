//! The state of 32 interrupts.

use super::hardware::StateRegister;
use super::intid_set::{IntidSet, SGIS, bits};
use super::list_register::ListRegister;

/// How many bits of a priority the guest can set, as in the narrowest virtual CPU interface.
const PRIORITY_MASK: u8 = 0xf8;

/// An SPI that is routed to no vCPU.
pub(super) const NOWHERE: u8 = 0xff;

/// 32 interrupts with successive numbers, a bit for each.
///
/// That an interrupt is pending is noted in one place: in the physical GIC until EL2 acknowledges
/// it (`hardware` ones), then here or in a list register. It comes back from there to be active
/// only here, when the list registers are needed for others.
#[derive(Debug, Default)]
pub(super) struct Bank {
    /// Which these are: all of a word.
    pub all: IntidSet,
    /// Owned, with a physical interrupt behind.
    pub hardware: u32,
    /// Owned, and raised by Bulkhead or by the guest itself.
    pub virtual_only: u32,
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
    /// The lines of virtual-only interrupts that are high.
    pub line: u32,
    /// Active, and not in a list register.
    pub active: u32,
    /// Routed to no vCPU.
    pub nowhere: u32,
    /// The list register of each, all but its state: here are its priority and its group too.
    pub entries: [ListRegister; 32],
    /// Where each goes; private ones to the vCPU whose they are.
    pub routes: [Route; 32],
    /// In word 0, for each SGI the CPUs from which it is pending. On GICv3, which does not tell them
    /// apart, CPU 0 stands for all.
    pub sources: [u8; 16],
    /// In word 0, for each active SGI the CPU from which it came.
    pub active_source: [u8; 16],
}

impl Bank {
    /// Makes them as they are out of reset, but for their routes.
    pub fn reset(&mut self, route: Route) {
        let Self { all, hardware, virtual_only, .. } = *self;
        let sgis = if all.word() == 0 { SGIS } else { 0 };
        let entry = |bit: usize| {
            ListRegister::new((all.word() * 32 + bit) as u32, hardware >> bit & 1 != 0)
        };
        *self = Self {
            all,
            hardware,
            virtual_only: (virtual_only | sgis) & !hardware,
            edge: sgis,
            entries: core::array::from_fn(entry),
            routes: [route; 32],
            ..Self::default()
        };
    }

    /// The interrupts that the guest can see.
    pub fn owned(&self) -> u32 {
        self.hardware | self.virtual_only
    }

    /// Those that are pending for reasons noted here: latched, or a high line.
    pub fn pending_now(&self) -> u32 {
        self.pending | (self.line & !self.edge)
    }

    /// Those of them that may be delivered.
    pub fn ready(&self) -> u32 {
        self.pending_now() & self.deliverable
    }

    /// The vCPU whose list registers an interrupt belongs in: where it is active, or else routed
    /// to. May be `NOWHERE`.
    pub fn deliverer(&self, bit: usize) -> usize {
        let route = &self.routes[bit];
        usize::from(if self.active >> bit & 1 != 0 { route.active_on } else { route.vcpu })
    }

    /// Keeps `deliverable` right after a change, where GICD_CTLR enables these groups.
    #[inline(always)]
    pub fn gate(&mut self, enables: u32) {
        let group0 = if enables & 1 != 0 { !self.group1 } else { 0 };
        let group1 = if enables & 2 != 0 { self.group1 } else { 0 };
        self.deliverable = self.enabled & (group0 | group1);
    }

    /// Sets the priority of the interrupt at this bit.
    pub fn set_priority(&mut self, bit: usize, priority: u8) {
        self.entries[bit] = self.entries[bit].with_priority(priority & PRIORITY_MASK);
    }

    /// Sets the groups of these interrupts, where GICD_CTLR enables those of `enables`.
    pub fn set_groups(&mut self, mask: u32, group1: u32, enables: u32) {
        self.group1 = self.group1 & !mask | group1 & mask;
        for bit in bits(mask) {
            self.entries[bit] = self.entries[bit].with_group1(group1 >> bit & 1 != 0);
        }
        self.gate(enables);
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

    /// Makes an SGI pending. Returns whether it waits for a list register since.
    pub fn raise_sgi(&mut self, sgi: usize, source: u8) -> bool {
        self.latch_sgi(sgi, source) && self.deliverable >> sgi & 1 != 0
    }

    /// Notes that an SGI from `source` is pending; false if it was already.
    pub fn latch_sgi(&mut self, sgi: usize, source: u8) -> bool {
        let old = self.sources[sgi];
        self.set_sources(sgi, old | 1 << source);
        old >> source & 1 == 0
    }

    /// Sets the CPUs from which an SGI is pending.
    pub fn set_sources(&mut self, sgi: usize, sources: u8) {
        self.sources[sgi] = sources;
        self.pending = self.pending & !(1 << sgi) | u32::from(sources != 0) << sgi;
    }

    /// What ISPENDR, ICPENDR and ISACTIVER do to SGIs beside what they do to others: they come from CPU 0.
    pub fn write_sgi_states(&mut self, register: StateRegister, mask: u32) {
        for sgi in bits(mask) {
            match register {
                StateRegister::SetPending => self.set_sources(sgi, 1),
                StateRegister::ClearPending => self.set_sources(sgi, 0),
                StateRegister::SetActive => self.active_source[sgi] = 0,
                _ => {}
            }
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
        self.list(sgi, pending, active).with_source(source)
    }

    /// The list register for an interrupt whose pending state has been taken.
    fn list(&mut self, index: usize, pending: bool, active: bool) -> ListRegister {
        let bit = 1 << index;
        if active {
            self.active &= !bit;
        }
        let lr = self.entries[index].with_state(pending, active);
        // What is pending still can only go on when this has ended.
        if self.virtual_only & self.pending_now() & bit != 0 { lr.with_eoi() } else { lr }
    }
}

/// Where an interrupt goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Route {
    /// As the guest wrote it: the CPU mask of ITARGETSR, or Aff3.Aff2.Aff1.Aff0 of IROUTER.
    pub written: u32,
    /// The vCPU that this means, or `NOWHERE`.
    pub vcpu: u8,
    /// The vCPU on which it is active, where `Bank::active` says so.
    pub active_on: u8,
}

impl Route {
    /// That of a private interrupt.
    pub fn to(vcpu: usize) -> Self {
        Self { written: 0, vcpu: vcpu as u8, active_on: vcpu as u8 }
    }
}
