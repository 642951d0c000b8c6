//! Which vCPU an SPI goes to: ITARGETSR of GICv2, IROUTER of GICv3.
//!
//! A GICv2 interrupt with several targets goes to the one with the lowest number, which IHI 0048B
//! (1.4.3, the 1-N model) leaves to the implementation. One whose target does not exist stays
//! pending until it is given one that does.

use super::bank::{Bank, NO_VCPU, Route};
use super::controller::Vgic;
use super::cpu_mask::CpuMask;
use super::hardware::Hardware;
use super::intid_set::{IntidSet, bits};
use super::recall::Kicks;
use super::state::{pack, unpack};
use crate::arch::intid::Intid;
use crate::arch::mpidr::Mpidr;

impl Vgic {
    /// A byte of ITARGETSR, as this vCPU reads it: zero where there is one CPU (IHI 0048B, 4.3.12), and the reading CPU
    /// for its own interrupts.
    pub(super) fn targets(&self, bank: &Bank, vcpu: usize, bit: usize) -> u8 {
        match bank.all.word() {
            _ if self.state.vcpus.len() == 1 => 0,
            0 => 1 << vcpu,
            _ => bank.routes[bit].written as u8,
        }
    }

    /// Writes a byte of ITARGETSR.
    pub(super) fn set_targets(&mut self, set: IntidSet, targets: u8, hw: &mut impl Hardware) {
        if set.word() != 0 && self.state.vcpus.len() > 1 {
            self.set_route(set, u32::from(targets) & self.cpu_interfaces() as u32, hw);
        }
    }

    /// Routes an owned SPI that is in no list register.
    fn set_route(&mut self, set: IntidSet, written: u32, hw: &mut impl Hardware) {
        let new = self.state.route_for(written);
        let bank = self.state.bank_mut(set);
        let unrouted = if new.vcpu == NO_VCPU { set.mask() } else { 0 };
        bank.unrouted = bank.unrouted & !set.mask() | unrouted;
        for bit in bits(set.mask()) {
            bank.routes[bit] = Route { active_on: bank.routes[bit].active_on, ..new };
            if new.vcpu != NO_VCPU && bank.hardware >> bit & 1 != 0 {
                hw.route(set.word() * 32 + bit, usize::from(new.vcpu));
            }
        }
        self.backend.routes_changed(&self.state, set, hw);
    }

    /// This SPI, if the guest can see it.
    fn owned_spi(&self, intid: u32) -> Option<IntidSet> {
        let spi = IntidSet::one(0, Intid::new(intid)?);
        let is_owned = spi.word() != 0
            && spi.word() < self.state.words()
            && self.state.bank(spi).owned() & spi.mask() != 0;
        is_owned.then_some(spi)
    }

    /// Reads IROUTER. Its IRM bit reads as zero: GICD_TYPER.No1N.
    pub(super) fn read_router(&self, intid: u32) -> u64 {
        match self.owned_spi(intid) {
            Some(spi) => unpack(self.state.bank(spi).routes[(intid % 32) as usize].written),
            None => 0,
        }
    }

    /// Writes IROUTER.
    pub(super) fn write_router(&mut self, intid: u32, value: u64, hw: &mut impl Hardware) -> Kicks {
        let Some(spi) = self.owned_spi(intid) else { return Ok(CpuMask::EMPTY) };
        let kicks = self.backend.withdraw(&mut self.state, spi, hw)?;
        self.set_route(spi, pack(Mpidr::new(value)), hw);
        self.backend.prepare(&self.state, spi);
        Ok(self.backend.deliver(&mut self.state, kicks, spi, hw))
    }
}
