//! Invariants that apply whenever no interrupt is left to handle at EL2.

use super::architecture::*;
use super::system::System;
use crate::vgic::intid_set::bits;
use crate::vgic::*;

impl System {
    /// Returns whether a list register of this CPU holds this interrupt.
    fn has_injected(&self, cpu: usize, intid: usize) -> bool {
        let mut lrs = self.machine.cpus[cpu].lrs.iter();
        lrs.any(|&lr| lr & (PENDING | ACTIVE) != 0 && intid_of(lr) == intid)
    }

    /// Checks all invariants.
    pub fn check(&self) {
        let cpus = self.machine.cpus.len();
        for cpu in 0..cpus {
            let injected = self.injected(cpu);
            let is_twice = |(index, &(intid, _)): (usize, &(usize, u64))| {
                injected[..index].iter().any(|&(other, _)| other == intid)
            };
            assert!(!injected.iter().enumerate().any(is_twice), "twice on CPU {cpu}: {injected:?}");
            self.check_overflow(cpu);
            self.check_arrivals(cpu);
        }
        for word in 0..self.vgic.state.words() {
            let owners = if word == 0 { cpus } else { 1 };
            for owner in 0..owners {
                self.check_places(owner, word);
            }
        }
    }

    /// Checks that a hardware interrupt is in one place if EL2 acknowledged it, otherwise in none.
    fn check_places(&self, owner: usize, word: usize) {
        let bank = self.vgic.state.bank(IntidSet::new(owner, word, 0));
        assert_eq!((bank.latched | bank.active | bank.enabled) & !bank.owned(), 0);
        for bit in bits(bank.owned()) {
            let intid = word * 32 + bit;
            let holders = (0..self.machine.cpus.len()).filter(|&cpu| word != 0 || cpu == owner);
            let injected = holders.filter(|&cpu| self.has_injected(cpu, intid)).count();
            let active = (bank.active >> bit & 1) as usize;
            assert!(
                injected + active <= 1,
                "{intid} is in {injected} list registers and active {active}"
            );
            if bank.hardware >> bit & 1 != 0 {
                let physical = self.machine.state(owner, intid);
                let pending = (bank.latched >> bit & 1) as usize;
                let places = injected + active + pending;
                assert_eq!(places, usize::from(physical.active), "places of {intid}");
                assert_eq!(bank.enabled >> bit & 1 != 0, physical.enabled);
            }
        }
    }

    /// Checks that exactly the deliverable interrupts that are routed to this CPU can be injected
    /// without the lock.
    fn check_arrivals(&self, cpu: usize) {
        let arrivals = self.vgic.arrivals(cpu);
        for word in 0..self.vgic.state.words() {
            let bank = self.vgic.state.bank(IntidSet::new(cpu, word, 0));
            for bit in 0..32 {
                let intid = word * 32 + bit;
                let is_transported = intid < 16 && self.machine.physical_sgis >> intid & 1 != 0;
                let is_of_v2 = self.machine.version == Version::V2;
                let arrives = (bank.hardware | bank.messages & !bank.astray) >> bit & 1 != 0
                    || is_transported && (is_of_v2 || bank.group1 >> bit & 1 != 0);
                let is_here = usize::from(bank.routes[bit].vcpu) == cpu;
                let lr = bank.templates[bit].with_state(true, false);
                let expected = match self.machine.version {
                    _ if !arrives || !is_here || bank.deliverable >> bit & 1 == 0 => 0,
                    Version::V2 => u64::from(lr.to_v2()),
                    Version::V3 => lr.bits(),
                };
                assert_eq!(arrivals.prepared(intid), expected, "{intid} on CPU {cpu}");
            }
        }
    }

    /// Checks that pending interrupts in memory are less urgent than those in list registers, and
    /// that a maintenance interrupt is enabled for them.
    fn check_overflow(&self, cpu: usize) {
        let lrs = &self.machine.cpus[cpu].lrs;
        let maintenance = self.machine.cpus[cpu].maintenance;
        let groups = self.machine.cpus[cpu].groups;
        for word in 0..self.vgic.state.words() {
            let bank = self.vgic.state.bank(IntidSet::new(cpu, word, 0));
            let ready = bank.pending() & bank.deliverable;
            for bit in bits(ready) {
                let intid = word * 32 + bit;
                let mut everywhere = 0..self.machine.cpus.len();
                let is_elsewhere = word != 0
                    && (usize::from(bank.routes[bit].vcpu) != cpu
                        || everywhere.any(|on| self.has_injected(on, intid)));
                if is_elsewhere || self.has_injected(cpu, intid) || bank.active >> bit & 1 != 0 {
                    continue;
                }
                let group = bank.group1 >> bit & 1;
                if !groups[group as usize] {
                    let enabled = HCR_GROUP_ENABLED[group as usize];
                    assert_ne!(maintenance & enabled, 0, "{intid} has no maintenance interrupt");
                } else {
                    assert_ne!(maintenance & HCR_NPIE, 0, "{intid} has no maintenance interrupt");
                    let urgent = (bank.templates[bit].priority(), intid);
                    let key = |&lr: &u64| (priority_of(lr), intid_of(lr));
                    let least =
                        lrs.iter().filter(|&&lr| lr & (PENDING | ACTIVE) == PENDING).map(key).max();
                    assert!(least.is_none_or(|least| least < urgent), "{intid} is more urgent");
                }
            }
        }
        for lr in lrs.iter().filter(|&&lr| lr & (PENDING | ACTIVE) != 0) {
            assert!(lr & HARDWARE == 0 || physical_of(*lr) == intid_of(*lr));
        }
    }
}
