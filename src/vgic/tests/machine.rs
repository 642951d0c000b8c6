//! A model of a machine: the physical GIC and the virtual CPU interfaces, as IHI 0048B and IHI 0069
//! describe them. Of the code under test it uses only the layout of a list register.

use std::vec::Vec;

use crate::arch::intid::Intid;
use crate::vgic::hardware::*;
use crate::vgic::*;

pub const PENDING: u64 = 1 << 62;
pub const ACTIVE: u64 = 1 << 63;
pub const HARDWARE: u64 = 1 << 61;
const EOI: u64 = 1 << 41;

/// A physical interrupt.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Physical {
    pub enabled: bool,
    pub latch: bool,
    pub line: bool,
    pub active: bool,
    pub edge: bool,
    pub target: usize,
    pub priority: u8,
    /// For an SGI of a GICv2, a bit for each CPU from which it is pending.
    pub senders: u8,
}

impl Physical {
    pub fn is_pending(&self) -> bool {
        self.latch || (self.line && !self.edge)
    }
}

/// One CPU: its virtual interface and its private physical interrupts.
#[derive(Clone)]
pub struct Cpu {
    pub lrs: Vec<u64>,
    pub maintenance: u32,
    pub eoi_count: u32,
    pub groups: [bool; 2],
    /// The priorities of interrupts that were acknowledged, until EOIR drops them.
    pub running: Vec<u8>,
    pub private: Vec<Physical>,
}

pub struct Machine {
    pub version: Version,
    pub cpus: Vec<Cpu>,
    pub shared: Vec<Physical>,
    /// EOImode of all guests: whether EOI only drops the priority.
    pub split: bool,
    /// Whether guests take interrupts from the physical CPU interfaces, in Group 1.
    pub direct: bool,
    /// The SGIs that EL2 may send as physical ones: on GICv3 all or none.
    pub physical_sgis: u16,
}

impl Machine {
    pub fn new(version: Version, cpus: usize, list_registers: usize, words: usize) -> Self {
        let cpu = Cpu {
            lrs: std::vec![0; list_registers],
            maintenance: 0,
            eoi_count: 0,
            groups: [true; 2],
            running: Vec::new(),
            private: std::vec![Physical::default(); 32],
        };
        Self {
            version,
            cpus: std::vec![cpu; cpus],
            shared: std::vec![Physical::default(); 32 * (words - 1)],
            split: false,
            direct: false,
            physical_sgis: if version == Version::V2 { 0x7fff } else { 0xffff },
        }
    }

    pub fn physical(&mut self, cpu: usize, intid: usize) -> &mut Physical {
        match intid.checked_sub(32) {
            None => &mut self.cpus[cpu].private[intid],
            Some(shared) => &mut self.shared[shared],
        }
    }

    pub fn state(&self, cpu: usize, intid: usize) -> Physical {
        match intid.checked_sub(32) {
            None => self.cpus[cpu].private[intid],
            Some(shared) => self.shared[shared],
        }
    }

    /// Sets a device's line.
    pub fn drive(&mut self, cpu: usize, intid: usize, high: bool) {
        let physical = self.physical(cpu, intid);
        physical.latch |= physical.edge && high && !physical.line;
        physical.line = high;
    }

    /// Returns the number of a CPU's interface on GICv2.
    pub fn interface(cpu: usize) -> usize {
        (cpu * 3 + 1) % 8
    }

    /// Carries out a CPU's store of a target list and an SGI to the physical GICD_SGIR.
    pub fn store_sgir(&mut self, cpu: usize, value: u32) {
        assert_eq!(value >> 24, 0, "EL2 needs no filter");
        for target in 0..self.cpus.len() {
            if value >> (16 + Self::interface(target)) & 1 != 0 {
                let sgi = self.physical(target, (value & 0xf) as usize);
                sgi.senders |= 1 << cpu;
                sgi.latch = true;
            }
        }
    }

    /// Acknowledges the lowest INTID that is signalled to this CPU, at EL2. Returns the INTID and,
    /// for an SGI on GICv2, the sender.
    pub fn acknowledge_physical(&mut self, cpu: usize) -> Option<(Intid, u8)> {
        let is_signalled = |p: &Physical| p.enabled && p.is_pending() && !p.active;
        let private = (0..32).find(|&i| is_signalled(&self.cpus[cpu].private[i]));
        let shared = || {
            let at = |p: &Physical| is_signalled(p) && p.target == cpu;
            self.shared.iter().position(at).map(|i| i + 32)
        };
        let intid = private.or_else(shared)?;
        let physical = self.physical(cpu, intid);
        physical.active = true;
        let sender = physical.senders.trailing_zeros() as u8 & 7;
        physical.senders &= physical.senders.wrapping_sub(1);
        physical.latch = physical.senders != 0;
        Some((Intid::new(intid as u32)?, sender))
    }

    /// Returns whether this CPU's maintenance interrupt is asserted (ICH_MISR_EL2).
    pub fn wants_maintenance(&self, cpu: usize) -> bool {
        let state = &self.cpus[cpu];
        let is_requested = |bit: u32| state.maintenance & bit != 0;
        let ended = |&lr: &u64| lr & (PENDING | ACTIVE | HARDWARE | EOI) == EOI;
        let pending = |&lr: &u64| lr & (PENDING | ACTIVE) == PENDING;
        state.lrs.iter().any(ended)
            || is_requested(HCR_LRENPIE) && state.eoi_count != 0
            || is_requested(HCR_NPIE) && !state.lrs.iter().any(pending)
            || is_requested(HCR_GROUP_ENABLED[0]) && state.groups[0]
            || is_requested(HCR_GROUP_DISABLED[0]) && !state.groups[0]
            || is_requested(HCR_GROUP_ENABLED[1]) && state.groups[1]
            || is_requested(HCR_GROUP_DISABLED[1]) && !state.groups[1]
    }

    pub fn running_priority(&self, cpu: usize) -> u8 {
        self.cpus[cpu].running.last().copied().unwrap_or(0xff)
    }

    /// Returns the most urgent interrupt that is signalled to this CPU, with its priority.
    fn highest(&self, cpu: usize) -> Option<(u8, usize)> {
        let is_signalled = |p: &Physical| p.enabled && p.is_pending() && !p.active;
        let private = self.cpus[cpu].private.iter().enumerate();
        let shared = self.shared.iter().enumerate().map(|(i, p)| (i + 32, p));
        let all = private.chain(shared.filter(|(_, p)| p.target == cpu));
        all.filter(|(_, p)| is_signalled(p)).map(|(i, p)| (p.priority, i)).min()
    }

    /// Carries out the guest's read of the physical IAR.
    fn acknowledge_directly(&mut self, cpu: usize) -> Option<(usize, u8)> {
        let (priority, intid) = self.highest(cpu).filter(|_| self.cpus[cpu].groups[1])?;
        if priority >= self.running_priority(cpu) {
            return None;
        }
        let physical = self.physical(cpu, intid);
        (physical.active, physical.latch) = (true, false);
        self.cpus[cpu].running.push(priority);
        Some((intid, 0))
    }

    /// Carries out the guest's read of IAR. Returns the INTID and the source.
    pub fn acknowledge(&mut self, cpu: usize) -> Option<(usize, u8)> {
        if self.direct {
            return self.acknowledge_directly(cpu);
        }
        let running = self.running_priority(cpu);
        let state = &mut self.cpus[cpu];
        let groups = state.groups;
        let takes = |lr: &&mut u64| {
            **lr & (PENDING | ACTIVE) == PENDING && groups[(**lr >> 60 & 1) as usize]
        };
        let key = |lr: &&mut u64| (**lr >> 48 & 0xff, **lr & 0x3ff);
        let lr = state.lrs.iter_mut().filter(takes).min_by_key(key)?;
        let priority = (*lr >> 48) as u8;
        if priority >= running {
            return None;
        }
        *lr = *lr & !PENDING | ACTIVE;
        let taken = ((*lr & 0x3ff) as usize, (*lr >> 10 & 7) as u8);
        state.running.push(priority);
        Some(taken)
    }

    /// Carries out the guest's write to EOIR.
    pub fn end(&mut self, cpu: usize, intid: usize) {
        if self.cpus[cpu].running.pop().is_some() && !self.split {
            self.deactivate(cpu, intid);
        }
    }

    /// Deactivates an interrupt, as a write to EOIR or DIR does.
    pub fn deactivate(&mut self, cpu: usize, intid: usize) {
        if self.direct {
            self.physical(cpu, intid).active = false;
            return;
        }
        let state = &mut self.cpus[cpu];
        let found = |lr: &&mut u64| **lr & ACTIVE != 0 && (**lr & 0x3ff) as usize == intid;
        let Some(lr) = state.lrs.iter_mut().find(found) else {
            state.eoi_count += 1;
            return;
        };
        *lr &= !ACTIVE;
        if *lr & HARDWARE != 0 {
            let physical = (*lr >> 32 & 0x3ff) as usize;
            self.physical(cpu, physical).active = false;
        }
    }
}

/// One CPU's access to the machine.
pub struct View<'a> {
    pub machine: &'a mut Machine,
    pub cpu: usize,
}

impl View<'_> {
    fn state(&mut self) -> &mut Cpu {
        &mut self.machine.cpus[self.cpu]
    }

    fn check_bank(&self, set: IntidSet) {
        let is_banked = self.machine.version == Version::V2 && set.word() == 0;
        assert!(!is_banked || set.owner() == self.cpu, "another CPU's bank");
    }

    fn physical(&mut self, set: IntidSet, bit: usize) -> &mut Physical {
        self.machine.physical(set.owner(), set.word() * 32 + bit)
    }
}

impl Hardware for View<'_> {
    fn vcpu(&self) -> usize {
        self.cpu
    }

    fn list_registers(&self) -> usize {
        self.machine.cpus[self.cpu].lrs.len()
    }

    fn physical_sgis(&self) -> u16 {
        self.machine.physical_sgis
    }

    fn clear_sgis(&mut self) {
        for sgi in &mut self.state().private[..16] {
            (sgi.latch, sgi.senders) = (false, 0);
        }
    }

    fn read_list_register(&mut self, index: usize) -> ListRegister {
        ListRegister::from_bits(self.state().lrs[index])
    }

    fn write_list_register(&mut self, index: usize, value: ListRegister) {
        let lr = value.bits();
        let both = HARDWARE | PENDING | ACTIVE;
        assert_ne!(lr & both, both, "a hardware interrupt pending and active");
        if lr & HARDWARE != 0 {
            let cpu = self.cpu;
            let physical = self.machine.physical(cpu, (lr >> 32 & 0x3ff) as usize);
            assert!(physical.active, "in a list register, but inactive");
        }
        self.state().lrs[index] = lr;
    }

    fn empty_list_registers(&mut self) -> u32 {
        let is_empty =
            |lr: u64| lr & (PENDING | ACTIVE) == 0 && (lr & HARDWARE != 0 || lr & EOI == 0);
        let lrs = self.state().lrs.iter().enumerate();
        lrs.map(|(i, &lr)| u32::from(is_empty(lr)) << i).sum()
    }

    fn set_maintenance(&mut self, bits: u32) {
        self.state().maintenance = bits;
        self.state().eoi_count = 0;
    }

    fn take_eoi_count(&mut self) -> u32 {
        core::mem::take(&mut self.state().eoi_count)
    }

    fn group_enables(&mut self) -> u32 {
        let [group_0, group_1] = self.state().groups.map(u32::from);
        group_0 | group_1 << 1
    }

    fn write_state(&mut self, register: StateRegister, set: IntidSet) {
        self.check_bank(set);
        for bit in (0..32).filter(|bit| set.mask() >> bit & 1 != 0) {
            let physical = self.physical(set, bit);
            match register {
                StateRegister::SetEnable => physical.enabled = true,
                StateRegister::ClearEnable => physical.enabled = false,
                StateRegister::SetPending => physical.latch = true,
                StateRegister::ClearPending => physical.latch = false,
                StateRegister::SetActive => physical.active = true,
                StateRegister::ClearActive => physical.active = false,
            }
        }
    }

    fn read_state(&mut self, register: StateRegister, set: IntidSet) -> u32 {
        self.check_bank(set);
        let state = |bit| {
            let physical = self.physical(set, bit);
            match register {
                StateRegister::SetEnable | StateRegister::ClearEnable => physical.enabled,
                StateRegister::SetPending | StateRegister::ClearPending => physical.is_pending(),
                StateRegister::SetActive | StateRegister::ClearActive => physical.active,
            }
        };
        (0..32).map(state).enumerate().map(|(i, is_set)| u32::from(is_set) << i).sum()
    }

    fn set_priority(&mut self, set: IntidSet, bit: usize, priority: u8) {
        self.physical(set, bit).priority = priority;
    }

    fn set_edge(&mut self, set: IntidSet, edge: u32) -> u32 {
        self.check_bank(set);
        // SGIs are always edge-triggered.
        let edge = if set.word() == 0 { edge | 0xffff } else { edge };
        for bit in (0..32).filter(|bit| set.mask() >> bit & 1 != 0) {
            self.physical(set, bit).edge = edge >> bit & 1 != 0;
        }
        edge
    }

    fn route(&mut self, intid: usize, vcpu: usize) {
        self.machine.physical(0, intid).target = vcpu;
    }
}
