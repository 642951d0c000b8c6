//! The virtual GIC beside the reference: each step of a guest or a device is made on both.

mod compare;

use std::vec;
use std::vec::Vec;

use super::reference::Reference;
use super::system::{HARDWARE_PPI, HARDWARE_SPIS, SOFTWARE_SPI, System};
use crate::vgic::*;

/// A step of a guest or a device.
#[derive(Clone, Debug)]
pub enum Step {
    /// A device sets the line of an interrupt, a PPI's on this CPU.
    Drive(usize, usize, bool),
    /// A CPU reads IAR.
    Acknowledge(usize),
    /// A CPU ends the interrupt that it acknowledged last, or deactivates the first one whose
    /// priority it dropped.
    End(usize),
    /// A CPU writes the bit of an interrupt, of this owner's bank if it is private.
    State(usize, usize, StateRegister, usize),
    /// IPRIORITYR, likewise.
    Priority(usize, usize, usize, u8),
    /// IGROUPR, likewise.
    Group(usize, usize, usize, bool),
    /// ITARGETSR or IROUTER.
    Route(usize, usize, usize),
    /// ICFGR.
    Edge(usize, usize, bool),
    /// GICD_CTLR.
    Control(usize, u32),
    /// The enables of a CPU interface.
    Groups(usize, bool, bool),
    /// A CPU sends an SGI: targets in bits 3:0, the register of GICv3 in bits 5:4.
    Sgi(usize, u8, usize),
    /// A CPU writes GICD_SPENDSGIR or GICD_CPENDSGIR.
    PendingSgi(usize, usize, u8, bool),
    /// All visible registers are compared.
    Compare,
}

/// The system, the reference, and what each guest CPU is handling.
pub struct Pair {
    version: Version,
    pub system: System,
    reference: Reference,
    handling: Vec<Vec<(usize, u8)>>,
    /// Interrupts whose priority is dropped and that are not deactivated yet (EOImode 1).
    dropped: Vec<Vec<(usize, u8)>>,
    split: bool,
    /// Whether there are few list registers. EOIs of interrupts that did not fit are then known by
    /// their number alone (EOIcount), which is not exact if the guest itself changes an active
    /// state or the priority of an active interrupt.
    few: bool,
}

impl Pair {
    pub fn new(version: Version, cpus: usize, list_registers: usize, split: bool) -> Self {
        let system = System::new(version, cpus, list_registers);
        let reference = Reference::new(version, Delivery::Trapped, cpus);
        Self::with(version, system, reference, split)
    }

    /// Returns the pair on a machine that needs all physical SGIs itself.
    pub fn without_physical_sgis(
        version: Version,
        cpus: usize,
        list_registers: usize,
        split: bool,
    ) -> Self {
        let mut system = System::new(version, cpus, list_registers);
        system.machine.physical_sgis = 0;
        system.restart();
        let reference = Reference::new(version, Delivery::Trapped, cpus);
        Self::with(version, system, reference, split)
    }

    /// Returns the pair with direct interrupts.
    pub fn direct(cpus: usize, split: bool) -> Self {
        let reference = Reference::new(Version::V3, Delivery::Direct, cpus);
        Self::with(Version::V3, System::direct(cpus), reference, split)
    }

    fn with(version: Version, mut system: System, reference: Reference, split: bool) -> Self {
        let cpus = system.machine.cpus.len();
        let list_registers = system.machine.cpus[0].lrs.len();
        system.machine.split = split;
        let mut pair = Self {
            version,
            few: !system.machine.direct && list_registers < 16,
            system,
            reference,
            handling: vec![Vec::new(); cpus],
            dropped: vec![Vec::new(); cpus],
            split,
        };
        pair.step(&Step::Control(0, 3));
        for intid in (0..16).chain([HARDWARE_PPI, SOFTWARE_SPI]).chain(HARDWARE_SPIS) {
            for cpu in 0..if intid < 32 { cpus } else { 1 } {
                pair.step(&Step::State(cpu, cpu, StateRegister::SetEnable, intid));
                pair.step(&Step::Priority(cpu, cpu, intid, (intid % 5 * 0x20) as u8 + 8));
            }
            pair.step(&Step::Route(0, intid, intid % cpus));
        }
        pair
    }

    fn cpus(&self) -> usize {
        self.handling.len()
    }

    /// Returns the vCPU whose private interrupts an access reaches: on GICv2 those of the CPU
    /// itself.
    fn owner(&self, cpu: usize, owner: usize, intid: usize) -> usize {
        if intid < 32 && self.version == Version::V2 { cpu } else { owner }
    }

    pub fn step(&mut self, step: &Step) {
        let cpus = self.cpus();
        match self.possible(step) {
            Step::Drive(cpu, intid, high) => {
                let cpu = cpu % cpus;
                if intid == SOFTWARE_SPI {
                    self.system.set_line(cpu, intid, high);
                } else {
                    self.system.drive(cpu, intid, high);
                }
                self.reference.set_line(cpu, intid, high);
            }
            Step::Acknowledge(cpu) => {
                let cpu = cpu % cpus;
                let running = self.system.machine.running_priority(cpu);
                let taken = self.system.acknowledge(cpu);
                let expected = self.reference.acknowledge(cpu, running, taken);
                assert_eq!(taken, expected, "acknowledged by CPU {cpu}");
                self.handling[cpu].extend(expected);
            }
            Step::End(cpu) => self.end(cpu % cpus),
            Step::State(cpu, owner, register, intid) => {
                let (cpu, owner) = (cpu % cpus, owner % cpus);
                let owner = self.owner(cpu, owner, intid);
                let is_active =
                    matches!(register, StateRegister::SetActive | StateRegister::ClearActive);
                // A guest does not change the active state of an interrupt that it handles.
                let handling = self.handling.iter().chain(&self.dropped).flatten();
                let is_handled = handling.clone().any(|&(handled, _)| handled == intid);
                // With direct interrupts the pending state that a guest sets by ISPENDR is lost
                // when the line of an emulated device falls.
                let is_lost = self.system.machine.direct
                    && register == StateRegister::SetPending
                    && intid == SOFTWARE_SPI;
                if !(is_lost || is_active && (self.few || is_handled)) {
                    self.system.write_bit(cpu, owner, register.of(IntidSet::NONE), intid);
                    self.reference.write_bit(owner, register, intid);
                }
            }
            Step::Priority(cpu, owner, intid, priority) => {
                let (cpu, owner) = (cpu % cpus, owner % cpus);
                let owner = self.owner(cpu, owner, intid);
                let state = self.reference.at(owner, intid);
                if state.owned && !(self.few && state.active) {
                    state.priority = priority & 0xf8;
                    self.system.set_priority(cpu, owner, intid, priority);
                }
            }
            Step::Group(cpu, owner, intid, group) => {
                self.group(cpu % cpus, owner % cpus, intid, group)
            }
            Step::Route(cpu, intid, target) => self.route(cpu % cpus, intid, target),
            Step::Edge(cpu, intid, edge) => self.edge(cpu % cpus, intid, edge),
            Step::Control(cpu, enables) => {
                self.system.write(cpu % cpus, 0, 4, u64::from(enables));
                self.reference.enables = enables;
            }
            Step::Groups(cpu, group0, group1) => {
                self.system.set_groups(cpu % cpus, [group0, group1]);
                self.reference.groups[cpu % cpus] = [group0, group1];
            }
            Step::Sgi(cpu, targets, sgi) => self.sgi(cpu % cpus, targets, sgi),
            Step::PendingSgi(cpu, sgi, sources, set) => {
                self.pending_sgi(cpu % cpus, sgi, sources, set);
            }
            Step::Compare => self.compare(),
        }
    }

    /// Returns the step that is made. With many list registers only the first four SGIs are used,
    /// so that all interrupts that can be active fit into the list registers.
    fn possible(&self, step: &Step) -> Step {
        let few = self.few;
        let fold = |intid: usize| if few || intid >= 16 { intid } else { intid % 4 };
        match *step {
            Step::State(cpu, owner, register, intid) => {
                Step::State(cpu, owner, register, fold(intid))
            }
            Step::Sgi(cpu, targets, sgi) => Step::Sgi(cpu, targets, fold(sgi)),
            Step::PendingSgi(cpu, sgi, sources, set) => {
                Step::PendingSgi(cpu, fold(sgi), sources, set)
            }
            ref other => other.clone(),
        }
    }

    fn end(&mut self, cpu: usize) {
        if let Some((intid, source)) = self.handling[cpu].pop() {
            if self.system.machine.direct && intid == SOFTWARE_SPI {
                // The handler accesses the device, after which EL2 reports its line again.
                let high = self.reference.line(intid);
                self.system.set_line(cpu, intid, high);
            }
            self.system.end(cpu, intid);
            if self.split {
                self.dropped[cpu].push((intid, source));
            } else {
                self.reference.deactivate(cpu, intid);
            }
        } else if !self.dropped[cpu].is_empty() {
            let (intid, source) = self.dropped[cpu].remove(0);
            self.system.deactivate(cpu, intid, source);
            self.reference.deactivate(cpu, intid);
        }
    }

    fn group(&mut self, cpu: usize, owner: usize, intid: usize, group: bool) {
        let owner = self.owner(cpu, owner, intid);
        if !self.reference.at(owner, intid).owned {
            return;
        }
        // Direct interrupts are all in Group 1.
        let group = group || self.system.machine.direct;
        self.reference.at(owner, intid).group = usize::from(group);
        let word = intid / 32;
        let value = self.reference.read(owner, word, |r, intid| r.at(owner, intid).group == 1);
        self.system.write_state(owner, 0x80, word, value);
    }

    fn route(&mut self, cpu: usize, intid: usize, target: usize) {
        let cpus = self.cpus();
        if intid < 32 || !self.reference.at(0, intid).owned {
            return;
        }
        let exists = target < cpus;
        match self.version {
            Version::V2 => {
                let targets = if exists { 0xff << target & 0xff } else { 0 };
                self.system.write(cpu, 0x800 + intid as u64, 1, targets);
                let route = (cpus == 1).then_some(0).or(exists.then_some(target));
                let written = if cpus == 1 { 0 } else { targets & ((1 << cpus) - 1) };
                self.reference.route(intid, route, written);
            }
            Version::V3 => {
                self.system.write(cpu, 0x6000 + 8 * intid as u64, 8, target as u64 | 1 << 31);
                self.reference.route(intid, exists.then_some(target), target as u64);
            }
        }
    }

    /// Writes ICFGR, if the interrupt is neither pending nor active: otherwise the result is
    /// UNPREDICTABLE.
    fn edge(&mut self, cpu: usize, intid: usize, edge: bool) {
        if self.reference.at(cpu, intid).active || self.reference.is_pending(cpu, intid) {
            return;
        }
        let first = intid & !0xf;
        let state = self.reference.at(cpu, intid);
        if state.owned && intid >= 16 && intid != HARDWARE_PPI {
            state.edge = edge;
        }
        self.reference.take(cpu, intid);
        let value = (0..16)
            .filter(|i| self.reference.at(cpu, first + i).edge)
            .fold(0, |value, i| value | 2u64 << (2 * i));
        let offset = 0xc00 + first as u64 / 4;
        self.system.write_state_from(cpu, cpu, offset, 4, value, intid / 32);
    }

    fn sgi(&mut self, cpu: usize, targets: u8, sgi: usize) {
        let cpus = self.cpus();
        let reaches = |target: usize| match targets & 0xf {
            15 => target != cpu,
            mask => mask >> target & 1 != 0,
        };
        if self.version == Version::V2 {
            let value = match targets & 0xf {
                15 => 1 << 24,
                mask => u64::from(mask) << 16,
            };
            self.system.write(cpu, 0xf00, 4, value | sgi as u64);
            for target in (0..cpus).filter(|&target| reaches(target)) {
                self.reference.send_sgi(target, sgi, cpu as u8);
            }
            return;
        }
        let value = match targets & 0xf {
            15 => 1 << 40,
            mask => u64::from(mask),
        };
        let (register, group) = match targets >> 4 {
            0 => (SgiRegister::Sgi0, 0),
            1 => (SgiRegister::Asgi1, 0),
            _ => (SgiRegister::Sgi1, 1),
        };
        self.system.send_sgi(cpu, register, value | (sgi as u64) << 24);
        for target in (0..cpus).filter(|&target| reaches(target)) {
            if self.reference.at(target, sgi).group == group {
                self.reference.send_sgi(target, sgi, 0);
            }
        }
    }

    fn pending_sgi(&mut self, cpu: usize, sgi: usize, sources: u8, set: bool) {
        if self.version == Version::V3 {
            return;
        }
        let existing = sources & ((1 << self.cpus()) - 1);
        let base = if set { 0xf20 } else { 0xf10 };
        self.system.write(cpu, base + sgi as u64, 1, u64::from(sources));
        if set {
            for source in (0..8).filter(|source| existing >> source & 1 != 0) {
                self.reference.send_sgi(cpu, sgi, source);
            }
        } else {
            self.reference.clear_sgi(cpu, sgi, existing);
        }
    }

    /// Returns the largest number of interrupts that are pending for one CPU.
    pub fn most_pending(&mut self) -> u32 {
        let pending = |r: &mut Reference, cpu, word| {
            r.read(cpu, word, |r, intid| {
                let is_here = r.at(cpu, intid).is_routed_to(intid, cpu);
                is_here && r.is_pending(cpu, intid)
            })
        };
        let of_cpu = |cpu| {
            let words = [0, 1, 2, 16].into_iter();
            words.map(|word| pending(&mut self.reference, cpu, word).count_ones()).sum()
        };
        (0..self.handling.len()).map(of_cpu).max().unwrap_or(0)
    }

    /// Handles all interrupts until none is left, to find out whether one was lost.
    pub fn drain(&mut self) {
        for cpu in 0..self.cpus() {
            while !(self.handling[cpu].is_empty() && self.dropped[cpu].is_empty()) {
                self.end(cpu);
            }
        }
        for intid in HARDWARE_SPIS.into_iter().chain([SOFTWARE_SPI, HARDWARE_PPI]) {
            for cpu in 0..self.cpus() {
                self.step(&Step::Drive(cpu, intid, false));
            }
        }
        for _ in 0..200 {
            for cpu in 0..self.cpus() {
                self.step(&Step::Acknowledge(cpu));
                while !(self.handling[cpu].is_empty() && self.dropped[cpu].is_empty()) {
                    self.end(cpu);
                }
            }
        }
        self.compare();
    }
}
