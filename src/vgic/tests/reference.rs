//! A simple model of a GIC without list registers: the oracle of the property tests.

use std::vec::Vec;

use super::system::{HARDWARE_PPI, HARDWARE_SPIS, SOFTWARE_SPI};
use crate::vgic::*;

#[derive(Clone, Copy, Debug)]
pub struct State {
    pub owned: bool,
    hardware: bool,
    pub enabled: bool,
    pub group: usize,
    pub edge: bool,
    pub priority: u8,
    line: bool,
    /// Pending until acknowledged; for SGIs a bit for each source.
    latch: u8,
    /// Whether EL2 acknowledged this hardware interrupt, after which its line does not count.
    taken: bool,
    pub active: bool,
    source: u8,
    /// The vCPU that it is routed to.
    route: Option<usize>,
    /// The value of ITARGETSR or IROUTER.
    pub written: u64,
}

impl State {
    /// Returns whether this interrupt is delivered to this CPU.
    pub fn is_routed_to(&self, intid: usize, cpu: usize) -> bool {
        intid < 32 || self.route == Some(cpu)
    }
}

#[derive(Clone, Debug)]
pub struct Reference {
    version: Version,
    pub enables: u32,
    pub groups: Vec<[bool; 2]>,
    private: Vec<Vec<State>>,
    shared: Vec<State>,
}

impl Reference {
    pub fn new(version: Version, delivery: Delivery, cpus: usize) -> Self {
        // EL2 acknowledges no direct interrupt, and all of them are in Group 1.
        let is_direct = delivery == Delivery::Direct;
        let state = |intid: usize| State {
            owned: intid < 16
                || intid == HARDWARE_PPI
                || intid == SOFTWARE_SPI
                || HARDWARE_SPIS.contains(&intid),
            hardware: !is_direct && (intid == HARDWARE_PPI || HARDWARE_SPIS.contains(&intid)),
            enabled: intid < 16 && version == Version::V2,
            group: usize::from(is_direct),
            edge: intid < 16,
            priority: 0,
            line: false,
            latch: 0,
            taken: false,
            active: false,
            source: 0,
            route: (version == Version::V3 || cpus == 1).then_some(0),
            written: 0,
        };
        Self {
            version,
            enables: 0,
            groups: std::vec![[true; 2]; cpus],
            private: std::vec![(0..32).map(state).collect(); cpus],
            shared: (32..544).map(state).collect(),
        }
    }

    pub fn at(&mut self, owner: usize, intid: usize) -> &mut State {
        match intid.checked_sub(32) {
            None => &mut self.private[owner][intid],
            Some(shared) => &mut self.shared[shared],
        }
    }

    /// Acknowledges an interrupt at EL2, if the physical GIC signals it.
    pub fn take(&mut self, owner: usize, intid: usize) {
        let s = self.at(owner, intid);
        let pending = s.latch != 0 || (s.line && !s.edge);
        if s.hardware && s.enabled && pending && !s.active && !s.taken {
            s.taken = true;
            s.latch = 0;
        }
    }

    pub fn is_pending(&mut self, owner: usize, intid: usize) -> bool {
        let s = self.at(owner, intid);
        s.taken || s.latch != 0 || (s.line && !s.edge)
    }

    pub fn read(
        &mut self,
        owner: usize,
        word: usize,
        of: impl Fn(&mut Self, usize) -> bool,
    ) -> u32 {
        (0..32)
            .filter(|bit| self.at(owner, word * 32 + bit).owned && of(self, word * 32 + bit))
            .fold(0, |value, bit| value | 1 << bit)
    }

    pub fn write_bit(&mut self, owner: usize, register: StateRegister, intid: usize) {
        let is_v2_sgi = self.version == Version::V2 && intid < 16;
        let s = self.at(owner, intid);
        if !s.owned {
            return;
        }
        match register {
            StateRegister::SetEnable => s.enabled = true,
            StateRegister::ClearEnable => s.enabled = false,
            StateRegister::SetPending if !is_v2_sgi && !s.taken => s.latch = 1,
            StateRegister::ClearPending if !is_v2_sgi => {
                s.latch = 0;
                s.taken = false;
            }
            StateRegister::SetPending | StateRegister::ClearPending => {}
            StateRegister::SetActive => {
                if !s.active {
                    s.active = true;
                    s.source = 0;
                    if s.taken {
                        s.taken = false;
                        s.latch |= u8::from(s.edge);
                    }
                }
            }
            StateRegister::ClearActive => s.active = false,
        }
        self.take(owner, intid);
    }

    /// Returns whether a device's line is high.
    pub fn line(&mut self, intid: usize) -> bool {
        self.at(0, intid).line
    }

    pub fn set_line(&mut self, owner: usize, intid: usize, high: bool) {
        let s = self.at(owner, intid);
        if high && !s.line && s.edge {
            s.latch = 1;
        }
        s.line = high;
        self.take(owner, intid);
    }

    pub fn send_sgi(&mut self, target: usize, sgi: usize, source: u8) {
        self.at(target, sgi).latch |= 1 << source;
    }

    pub fn clear_sgi(&mut self, target: usize, sgi: usize, sources: u8) {
        self.at(target, sgi).latch &= !sources;
    }

    pub fn sources(&mut self, target: usize, sgi: usize) -> u8 {
        self.at(target, sgi).latch
    }

    pub fn route(&mut self, intid: usize, route: Option<usize>, written: u64) {
        let state = self.at(0, intid);
        (state.route, state.written) = (route, written);
    }

    /// Carries out a read of IAR. Which of several sources of an SGI comes first is IMPLEMENTATION
    /// DEFINED: the source is that of `taken`, if the SGI is pending from it.
    pub fn acknowledge(
        &mut self,
        cpu: usize,
        running: u8,
        taken: Option<(usize, u8)>,
    ) -> Option<(usize, u8)> {
        let mut best: Option<(u8, usize)> = None;
        for intid in 0..544 {
            let (groups, enables) = (self.groups[cpu], self.enables);
            let pending = self.is_pending(cpu, intid);
            let s = self.at(cpu, intid);
            let is_here = s.is_routed_to(intid, cpu);
            let is_open = groups[s.group] && enables >> s.group & 1 != 0;
            if s.owned && s.enabled && !s.active && pending && is_here && is_open {
                let key = (s.priority, intid);
                best = Some(best.map_or(key, |best| best.min(key)));
            }
        }
        let (priority, intid) = best?;
        if priority >= running {
            return None;
        }
        let s = self.at(cpu, intid);
        s.active = true;
        s.source = match taken {
            Some((sgi @ 0..16, source)) if sgi == intid && s.latch >> source & 1 != 0 => source,
            _ if intid < 16 => s.latch.trailing_zeros() as u8,
            _ => 0,
        };
        // An edge after EL2 acknowledged it makes it pending once more.
        if !core::mem::take(&mut s.taken) {
            s.latch &= !(1 << s.source);
        }
        Some((intid, s.source))
    }

    pub fn deactivate(&mut self, cpu: usize, intid: usize) {
        self.at(cpu, intid).active = false;
        self.take(cpu, intid);
    }
}
