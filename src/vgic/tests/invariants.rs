//! Conditions that must hold whenever no interrupt is left for EL2 to take.

use super::machine::{ACTIVE, HARDWARE, PENDING};
use super::system::System;
use crate::vgic::intid_set::bits;
use crate::vgic::*;

impl System {
    /// Whether a list register of this CPU holds this interrupt.
    fn lists(&self, cpu: usize, intid: usize) -> bool {
        let mut lrs = self.machine.cpus[cpu].lrs.iter();
        lrs.any(|&lr| lr & (PENDING | ACTIVE) != 0 && (lr & 0x3ff) as usize == intid)
    }

    /// Checks all conditions.
    pub fn check(&self) {
        let cpus = self.machine.cpus.len();
        for cpu in 0..cpus {
            let listed = self.listed(cpu);
            let is_twice = |(index, &(intid, _)): (usize, &(usize, u64))| {
                listed[..index].iter().any(|&(other, _)| other == intid)
            };
            assert!(!listed.iter().enumerate().any(is_twice), "twice on CPU {cpu}: {listed:?}");
            self.check_room(cpu);
            self.check_arrivals(cpu);
        }
        for word in 0..self.vgic.state.words() {
            let owners = if word == 0 { cpus } else { 1 };
            for owner in 0..owners {
                self.check_places(owner, word);
            }
        }
    }

    /// Checks that each hardware interrupt that EL2 acknowledged is in exactly one place (a list
    /// register, latched or active in memory), and every other one in none.
    fn check_places(&self, owner: usize, word: usize) {
        let bank = self.vgic.state.bank(IntidSet::new(owner, word, 0));
        assert_eq!((bank.latched | bank.active | bank.enabled) & !bank.owned(), 0);
        for bit in bits(bank.owned()) {
            let intid = word * 32 + bit;
            let holders = (0..self.machine.cpus.len()).filter(|&cpu| word != 0 || cpu == owner);
            let listed = holders.filter(|&cpu| self.lists(cpu, intid)).count();
            let active = (bank.active >> bit & 1) as usize;
            assert!(
                listed + active <= 1,
                "{intid} is in {listed} list registers and active {active} times in memory"
            );
            if bank.hardware >> bit & 1 != 0 {
                let physical = self.machine.state(owner, intid);
                let pending = (bank.latched >> bit & 1) as usize;
                let places = listed + active + pending;
                assert_eq!(places, usize::from(physical.active), "places of {intid}");
                assert_eq!(bank.enabled >> bit & 1 != 0, physical.enabled);
            }
        }
    }

    /// Checks that the interrupts prepared for injection without the lock are the deliverable ones,
    /// each on the CPU that it is routed to.
    fn check_arrivals(&self, cpu: usize) {
        let arrivals = self.vgic.arrivals(cpu);
        for word in 0..self.vgic.state.words() {
            let bank = self.vgic.state.bank(IntidSet::new(cpu, word, 0));
            for bit in 0..32 {
                let intid = word * 32 + bit;
                let is_physical_sgi = intid < 16 && self.machine.physical_sgis >> intid & 1 != 0;
                let is_of_v2 = self.machine.version == Version::V2;
                let arrives = bank.hardware >> bit & 1 != 0
                    || is_physical_sgi && (is_of_v2 || bank.group1 >> bit & 1 != 0);
                let is_here = usize::from(bank.routes[bit].vcpu) == cpu;
                let lr = bank.templates[bit].with_state(true, false);
                let expected = match self.machine.version {
                    _ if !arrives || !is_here || bank.deliverable >> bit & 1 == 0 => 0,
                    Version::V2 => lr.to_v2().into(),
                    Version::V3 => lr.bits(),
                };
                assert_eq!(arrivals.prepared(intid), expected, "{intid} on CPU {cpu}");
            }
        }
    }

    /// Checks that each pending interrupt in memory has a maintenance interrupt requested for it,
    /// and is less urgent than those in list registers.
    fn check_room(&self, cpu: usize) {
        let lrs = &self.machine.cpus[cpu].lrs;
        let requested = self.machine.cpus[cpu].maintenance;
        let groups = self.machine.cpus[cpu].groups;
        for word in 0..self.vgic.state.words() {
            let bank = self.vgic.state.bank(IntidSet::new(cpu, word, 0));
            let ready = bank.pending() & bank.deliverable;
            for bit in bits(ready) {
                let intid = word * 32 + bit;
                let mut everywhere = 0..self.machine.cpus.len();
                let is_elsewhere = word != 0
                    && (usize::from(bank.routes[bit].vcpu) != cpu
                        || everywhere.any(|on| self.lists(on, intid)));
                if is_elsewhere || self.lists(cpu, intid) || bank.active >> bit & 1 != 0 {
                    continue;
                }
                let group = bank.group1 >> bit & 1;
                if !groups[group as usize] {
                    assert_ne!(requested & 0x10 << (2 * group), 0, "{intid} is forgotten");
                } else {
                    assert_ne!(requested & 1 << 3, 0, "{intid} is forgotten");
                    let urgent = (u64::from(bank.templates[bit].priority()), intid as u64);
                    let key = |&lr: &u64| (lr >> 48 & 0xff, lr & 0x3ff);
                    let least =
                        lrs.iter().filter(|&&lr| lr & (PENDING | ACTIVE) == PENDING).map(key).max();
                    assert!(least.is_none_or(|least| least < urgent), "{intid} is more urgent");
                }
            }
        }
        for lr in lrs.iter().filter(|&&lr| lr & (PENDING | ACTIVE) != 0) {
            assert!(lr & HARDWARE == 0 || lr >> 32 & 0x3ff == lr & 0x3ff);
        }
    }
}
