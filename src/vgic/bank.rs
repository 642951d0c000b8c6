//! The emulated state of 32 interrupts with successive INTIDs.

use super::hardware::StateRegister;
use super::intid_set::{IntidSet, SGIS, bits};
use super::list_register::ListRegister;
use super::planes::Planes;

/// The priority bits that a guest can set: five, as in the narrowest virtual CPU interface.
const PRIORITY_MASK: u8 = 0xf8;

/// The number of bits in `PRIORITY_MASK`, and the lowest of them.
const PRIORITY_BITS: usize = PRIORITY_MASK.count_ones() as usize;
const PRIORITY_SHIFT: u32 = PRIORITY_MASK.trailing_zeros();
/// The number of bits by which vCPUs, at most 64, and `NO_VCPU` differ.
const VCPU_BITS: usize = 7;

/// The route of an SPI that targets no existing vCPU.
pub(super) const NO_VCPU: u8 = 0xff;

/// 32 interrupts with successive INTIDs, one bit each: the private ones of a vCPU, or a word of
/// SPIs.
///
/// With [`Delivery::Trapped`](super::Delivery::Trapped) the pending state of a hardware interrupt
/// is in exactly one place: in the physical GIC until EL2 acknowledges it, then here or in a list
/// register. An active interrupt is here only if its list register was recalled.
#[derive(Debug, Default)]
pub(super) struct Bank {
    /// All INTIDs of the word.
    pub all: IntidSet,
    /// Owned by the partition and backed by a physical interrupt.
    pub hardware: u32,
    /// Owned by the partition without a physical interrupt: raised by Bulkhead or by the guest.
    pub virtual_only: u32,
    /// Enabled by ISENABLER.
    pub enabled: u32,
    /// In Group 1; the others are in Group 0.
    pub group1: u32,
    /// Enabled, in a group that GICD_CTLR enables.
    pub deliverable: u32,
    /// Edge-triggered; the others are level-sensitive.
    pub edge: u32,
    /// Pending until acknowledged, in memory.
    pub latched: u32,
    /// Latched when moved into a list register, which holds the pending state since.
    pub latched_in_lr: u32,
    /// Input lines of virtual-only interrupts that are high.
    pub line: u32,
    /// Active, in memory.
    pub active: u32,
    /// Routed to no existing vCPU.
    pub unrouted: u32,
    /// Of `virtual_only`, the SPIs for which LPIs stand.
    pub messages: u32,
    /// Of `messages`, those that were active when their route changed: they may still be in a list
    /// register of another vCPU.
    pub astray: u32,
    /// The list register value of each interrupt without its state: INTIDs, priority, group, HW.
    pub templates: [ListRegister; 32],
    /// The route of each interrupt; private ones go to their vCPU.
    pub routes: [Route; 32],
    /// With list registers: the priority of each interrupt, without the bits that are always zero.
    pub priorities: Planes<PRIORITY_BITS>,
    /// `Route::vcpu` of each interrupt.
    pub vcpus: Planes<VCPU_BITS>,
    /// With list registers: `Route::active_on` of each interrupt.
    pub active_on: Planes<VCPU_BITS>,
    /// Word 0: for each SGI the vCPUs from which it is pending, one bit each. GICv3 does not
    /// distinguish sources and uses bit 0.
    pub sources: [u8; 16],
    /// Word 0: for each active SGI the vCPU that sent it.
    pub active_source: [u8; 16],
}

impl Bank {
    /// Resets everything but which interrupts the partition owns; routes all to `route`.
    pub fn reset(&mut self, route: Route) {
        let Self { all, hardware, virtual_only, messages, .. } = *self;
        let sgis = if all.word() == 0 { SGIS } else { 0 };
        let template = |bit: usize| {
            ListRegister::new((all.word() * 32 + bit) as u32, hardware >> bit & 1 != 0)
        };
        *self = Self {
            all,
            hardware,
            virtual_only: (virtual_only | sgis) & !hardware,
            messages,
            edge: sgis,
            templates: core::array::from_fn(template),
            routes: [route; 32],
            ..Self::default()
        };
        self.vcpus.set(u32::MAX, route.vcpu);
        self.active_on.set(u32::MAX, route.active_on);
    }

    /// Returns the interrupts that the partition owns.
    pub fn owned(&self) -> u32 {
        self.hardware | self.virtual_only
    }

    /// Returns the interrupts that are pending in memory: latched, or level-sensitive with a high
    /// line.
    pub fn pending(&self) -> u32 {
        self.latched | (self.line & !self.edge)
    }

    /// Returns the interrupts that are pending in memory and deliverable.
    pub fn ready(&self) -> u32 {
        self.pending() & self.deliverable
    }

    /// Returns the vCPU that an interrupt belongs to: where it is active, otherwise its route. Can
    /// be `NO_VCPU`.
    #[inline(always)]
    pub fn target(&self, bit: usize) -> usize {
        let route = &self.routes[bit];
        usize::from(if self.active >> bit & 1 != 0 { route.active_on } else { route.vcpu })
    }

    /// Returns the interrupts in Group 0 if bit 0 of `groups` is set, and those in Group 1 if bit 1
    /// is.
    #[inline(always)]
    pub fn in_groups(&self, groups: u32) -> u32 {
        let group0 = if groups & 1 != 0 { !self.group1 } else { 0 };
        let group1 = if groups & 2 != 0 { self.group1 } else { 0 };
        group0 | group1
    }

    /// Recomputes `deliverable`. `enables` are GICD_CTLR.EnableGrp0 and EnableGrp1.
    #[inline(always)]
    pub fn update_deliverable(&mut self, enables: u32) {
        self.deliverable = self.enabled & self.in_groups(enables);
    }

    /// Enables (`on`) or disables the interrupts in `mask`. `enables` are as in
    /// [`update_deliverable`](Self::update_deliverable).
    pub fn set_enabled(&mut self, on: bool, mask: u32, enables: u32) {
        self.enabled = self.enabled & !mask | if on { mask } else { 0 };
        self.update_deliverable(enables);
    }

    /// Sets the priority of one interrupt, for [`most_urgent`](Self::most_urgent) too if
    /// `is_ranked`.
    pub fn set_priority(&mut self, bit: usize, priority: u8, is_ranked: bool) {
        self.templates[bit] = self.templates[bit].with_priority(priority & PRIORITY_MASK);
        if is_ranked {
            self.priorities.set(1 << bit, priority >> PRIORITY_SHIFT);
        }
    }

    /// Makes an interrupt active on a vCPU.
    pub fn set_active(&mut self, bit: usize, vcpu: u8) {
        self.active |= 1 << bit;
        self.routes[bit].active_on = vcpu;
        self.active_on.set(1 << bit, vcpu);
    }

    /// Makes the interrupts in `mask` active where they are routed to, or on vCPU 0.
    pub fn activate(&mut self, mask: u32) {
        self.active |= mask;
        for bit in bits(mask) {
            let route = &mut self.routes[bit];
            route.active_on = if route.vcpu == NO_VCPU { 0 } else { route.vcpu };
        }
        self.active_on.copy(mask, &self.vcpus);
        self.active_on.set(mask & self.unrouted, 0);
    }

    /// Returns the interrupts that are active on a vCPU.
    #[inline(always)]
    pub fn active_on(&self, vcpu: usize) -> u32 {
        match self.active {
            0 => 0,
            active if self.all.word() == 0 => active,
            active => active & self.active_on.equal(vcpu as u8),
        }
    }

    /// Returns the ready interrupts that are routed to a vCPU.
    #[inline(always)]
    pub fn ready_for(&self, vcpu: usize) -> u32 {
        match self.ready() {
            0 => 0,
            ready if self.all.word() == 0 => ready,
            ready => ready & self.vcpus.equal(vcpu as u8),
        }
    }

    /// Returns the most urgent interrupt in `mask`, which is not empty: that of the highest
    /// priority with the lowest INTID.
    #[inline(always)]
    pub fn most_urgent(&self, mask: u32) -> usize {
        self.priorities.lowest(mask).trailing_zeros() as usize % 32
    }

    /// Sets the groups of the interrupts in `mask`. `enables` are as in
    /// [`update_deliverable`](Self::update_deliverable).
    pub fn set_groups(&mut self, mask: u32, group1: u32, enables: u32) {
        self.group1 = self.group1 & !mask | group1 & mask;
        for bit in bits(mask) {
            self.templates[bit] = self.templates[bit].with_group1(group1 >> bit & 1 != 0);
        }
        self.update_deliverable(enables);
    }

    /// Moves the state of a PPI or SPI out of memory and returns the list register value for it.
    pub fn take(&mut self, index: usize, pending: bool, active: bool) -> ListRegister {
        let bit = 1 << index;
        if pending {
            self.latched_in_lr = self.latched_in_lr & !bit | self.latched & bit;
            self.latched &= !bit;
        }
        self.list_register(index, pending, active)
    }

    /// Makes an SGI pending. Returns whether it was not, and is deliverable.
    pub fn raise_sgi(&mut self, sgi: usize, source: u8) -> bool {
        self.latch_sgi(sgi, source) && self.deliverable >> sgi & 1 != 0
    }

    /// Makes an SGI pending from `source`. Returns whether it was not.
    pub fn latch_sgi(&mut self, sgi: usize, source: u8) -> bool {
        let (old, bit) = (self.sources[sgi & 0xf], 1_u8.wrapping_shl(source.into()));
        self.set_sources(sgi, old | bit);
        old & bit == 0
    }

    /// Sets the vCPUs from which an SGI is pending.
    pub fn set_sources(&mut self, sgi: usize, sources: u8) {
        self.sources[sgi & 0xf] = sources;
        self.latched = self.latched & !1_u32.wrapping_shl(sgi as u32)
            | u32::from(sources != 0).wrapping_shl(sgi as u32);
    }

    /// Updates the sources of SGIs after a write to ISPENDR, ICPENDR or ISACTIVER, which stand for
    /// vCPU 0.
    pub fn write_sgi_states(&mut self, register: StateRegister, mask: u32) {
        for sgi in bits(mask) {
            match register {
                StateRegister::SetPending => self.set_sources(sgi, 1),
                StateRegister::ClearPending => self.set_sources(sgi, 0),
                StateRegister::SetActive => self.active_source[sgi & 0xf] = 0,
                _ => {}
            }
        }
    }

    /// Moves the state of an SGI out of memory and returns the list register value for it: of the
    /// active one, otherwise of the one pending from the lowest source.
    pub fn take_sgi(&mut self, sgi: usize, pending: bool, active: bool) -> ListRegister {
        let sources = self.sources[sgi & 0xf];
        let source =
            if active { self.active_source[sgi & 0xf] } else { sources.trailing_zeros() as u8 };
        if pending {
            self.set_sources(sgi, sources & !1_u8.wrapping_shl(source.into()));
        }
        self.list_register(sgi, pending, active).with_source(source)
    }

    /// Returns the list register value for an interrupt whose pending state was moved out of
    /// memory, and moves the active state.
    fn list_register(&mut self, index: usize, pending: bool, active: bool) -> ListRegister {
        let bit = 1 << index;
        if active {
            self.active &= !bit;
        }
        let lr = self.templates[index].with_state(pending, active);
        // Still pending in memory: it can be injected again only after its deactivation.
        if self.virtual_only & self.pending() & bit != 0 { lr.with_eoi() } else { lr }
    }
}

/// The vCPU that an interrupt goes to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Route {
    /// The guest's value: the CPU mask of ITARGETSR, or Aff3.Aff2.Aff1.Aff0 of IROUTER.
    pub written: u32,
    /// The vCPU that this value selects, or `NO_VCPU`.
    pub vcpu: u8,
    /// The vCPU on which the interrupt is active, if `Bank::active` has it.
    pub active_on: u8,
}

impl Route {
    /// Returns the route of a vCPU's private interrupts.
    pub fn to(vcpu: usize) -> Self {
        Self { written: 0, vcpu: vcpu as u8, active_on: vcpu as u8 }
    }
}
