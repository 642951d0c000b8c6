//! Random guests and devices, compared with the reference step by step.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::super::*;
use super::reference::Reference;
use super::system::{FOREIGN, HARDWARE_PPI, HARDWARE_SPIS, SOFTWARE_SPI, System};

#[derive(Clone, Debug)]
enum Step {
    Drive(usize, usize, bool),
    Acknowledge(usize),
    End(usize),
    State(usize, usize, StateRegister, usize),
    Priority(usize, usize, usize, u8),
    Group(usize, usize, usize, bool),
    Route(usize, usize, usize),
    Edge(usize, usize, bool),
    Control(usize, u32),
    Groups(usize, bool, bool),
    Sgi(usize, u8, usize),
    PendingSgi(usize, usize, u8, bool),
    Compare,
}

fn any_intid() -> impl Strategy<Value = usize> {
    let mut intids: Vec<usize> = (0..4).collect();
    intids.extend([HARDWARE_PPI, SOFTWARE_SPI, SOFTWARE_SPI]);
    intids.extend(HARDWARE_SPIS);
    intids.extend(FOREIGN);
    prop::sample::select(intids)
}

fn device() -> impl Strategy<Value = usize> {
    let mut intids = HARDWARE_SPIS.to_vec();
    intids.extend([HARDWARE_PPI, SOFTWARE_SPI]);
    prop::sample::select(intids)
}

fn state_register() -> impl Strategy<Value = StateRegister> {
    prop::sample::select(vec![
        StateRegister::SetEnable,
        StateRegister::SetEnable,
        StateRegister::ClearEnable,
        StateRegister::SetPending,
        StateRegister::ClearPending,
        StateRegister::SetActive,
        StateRegister::ClearActive,
    ])
}

fn step() -> impl Strategy<Value = Step> {
    let cpu = 0..4usize;
    let priority = || (0..6u8).prop_map(|priority| priority * 0x18);
    prop_oneof![
        12 => (cpu.clone(), device(), any::<bool>()).prop_map(|(c, i, h)| Step::Drive(c, i, h)),
        16 => cpu.clone().prop_map(Step::Acknowledge),
        12 => cpu.clone().prop_map(Step::End),
        8 => (cpu.clone(), cpu.clone(), state_register(), any_intid())
            .prop_map(|(c, o, r, i)| Step::State(c, o, r, i)),
        4 => (cpu.clone(), cpu.clone(), any_intid(), priority())
            .prop_map(|(c, o, i, p)| Step::Priority(c, o, i, p)),
        1 => (cpu.clone(), cpu.clone(), any_intid(), any::<bool>())
            .prop_map(|(c, o, i, g)| Step::Group(c, o, i, g)),
        2 => (cpu.clone(), any_intid(), 0..6usize).prop_map(|(c, i, t)| Step::Route(c, i, t)),
        1 => (cpu.clone(), any_intid(), any::<bool>()).prop_map(|(c, i, e)| Step::Edge(c, i, e)),
        1 => (cpu.clone(), prop_oneof![4 => Just(3), 1 => 0..4u32])
            .prop_map(|(c, v)| Step::Control(c, v)),
        1 => (cpu.clone(), any::<bool>(), any::<bool>()).prop_map(|(c, a, b)| Step::Groups(c, a, b)),
        8 => (cpu.clone(), 0..16u8, 0..4usize).prop_map(|(c, t, s)| Step::Sgi(c, t, s)),
        2 => (cpu, 0..4usize, 0..16u8, any::<bool>())
            .prop_map(|(c, s, b, on)| Step::PendingSgi(c, s, b, on)),
        2 => Just(Step::Compare),
    ]
}

/// The system, the reference, and what each guest CPU is handling.
struct Pair {
    version: Version,
    system: System,
    reference: Reference,
    handling: Vec<Vec<(usize, u8)>>,
    /// Dropped, not yet deactivated (EOImode 1).
    dropped: Vec<Vec<(usize, u8)>>,
    split: bool,
    /// Few list registers: what is told from EOIcount alone cannot be exact when the guest itself
    /// changes the active state or an active priority.
    few: bool,
}

impl Pair {
    fn new(version: Version, cpus: usize, list_registers: usize, split: bool) -> Self {
        let mut system = System::new(version, cpus, list_registers);
        system.machine.split = split;
        let mut pair = Self {
            version,
            system,
            reference: Reference::new(version, cpus),
            handling: vec![Vec::new(); cpus],
            dropped: vec![Vec::new(); cpus],
            split,
            few: list_registers < 16,
        };
        pair.step(&Step::Control(0, 3));
        for intid in (0..4).chain([HARDWARE_PPI, SOFTWARE_SPI]).chain(HARDWARE_SPIS) {
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

    /// The vCPU whose private interrupts can be reached.
    fn owner(&self, cpu: usize, owner: usize, intid: usize) -> usize {
        if intid < 32 && self.version == Version::V2 { cpu } else { owner }
    }

    fn step(&mut self, step: &Step) {
        let cpus = self.cpus();
        match *step {
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
                // A guest does not take from itself what it has not ended.
                let handling = self.handling.iter().chain(&self.dropped).flatten();
                let is_handled = handling.clone().any(|&(handled, _)| handled == intid);
                if !(is_active && (self.few || is_handled)) {
                    self.system.write_bit(cpu, owner, register as u64, intid);
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

    fn end(&mut self, cpu: usize) {
        if let Some((intid, source)) = self.handling[cpu].pop() {
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
                self.reference.route(intid, (cpus == 1).then_some(0).or(exists.then_some(target)));
            }
            Version::V3 => {
                self.system.write(cpu, 0x6000 + 8 * intid as u64, 8, target as u64 | 1 << 31);
                self.reference.route(intid, exists.then_some(target));
            }
        }
    }

    /// Only while nothing is pending or active, as the architecture demands.
    fn edge(&mut self, cpu: usize, intid: usize, edge: bool) {
        if self.reference.at(cpu, intid).active || self.reference.is_pending(cpu, intid) {
            return;
        }
        let first = intid & !0xf;
        let state = self.reference.at(cpu, intid);
        if state.owned && intid >= 16 {
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
        let (register, group) = match targets & 1 {
            0 => (SgiRegister::Sgi1, 1),
            _ => (SgiRegister::Sgi0, 0),
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

    fn compare(&mut self) {
        for cpu in 0..self.cpus() {
            for word in [0, 1, 2, 16] {
                let pending = self.reference.read(cpu, word, |r, intid| r.is_pending(cpu, intid));
                let active = self.reference.read(cpu, word, |r, intid| r.at(cpu, intid).active);
                let enabled = self.reference.read(cpu, word, |r, intid| r.at(cpu, intid).enabled);
                assert_eq!(self.system.read_state(cpu, 0x200, word), pending, "ISPENDR{word}");
                assert_eq!(self.system.read_state(cpu, 0x380, word), active, "ICACTIVER{word}");
                assert_eq!(self.system.read_state(cpu, 0x180, word), enabled, "ICENABLER{word}");
            }
            if self.version == Version::V2 {
                let sources = (0..4).map(|sgi| self.reference.sources(cpu, sgi));
                let expected = sources.rev().fold(0, |value, byte| value << 8 | u64::from(byte));
                assert_eq!(self.system.read(cpu, 0xf20, 4), expected, "SPENDSGIR");
            }
        }
    }

    /// Handles everything there is, until nothing is left: nothing was lost.
    fn drain(&mut self) {
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

fn agree(version: Version, cpus: usize, list_registers: usize, split: bool, steps: &[Step]) {
    let mut pair = Pair::new(version, cpus, list_registers, split);
    for step in steps {
        pair.step(step);
    }
    pair.drain();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn gicv2_is_a_gic(
        steps in prop::collection::vec(step(), 1..200),
        cpus in 1..5usize,
        list_registers in prop::sample::select(vec![1, 2, 4, 16]),
        split: bool,
    ) {
        agree(Version::V2, cpus, list_registers, split, &steps);
    }

    #[test]
    fn gicv3_is_a_gic(
        steps in prop::collection::vec(step(), 1..200),
        cpus in 1..5usize,
        list_registers in prop::sample::select(vec![1, 2, 4, 16]),
        split: bool,
    ) {
        agree(Version::V3, cpus, list_registers, split, &steps);
    }
}
