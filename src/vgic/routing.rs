//! Routing of SPIs: ITARGETSR of GICv2, IROUTER of GICv3.
//!
//! A GICv2 interrupt with several targets is delivered to the lowest-numbered one; IHI 0048B
//! (1.4.3, the 1-N model) leaves the choice to the implementation. An interrupt without an existing
//! target stays pending until the guest routes it to one.

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
    /// Returns the byte of ITARGETSR that `vcpu` reads: zero in a uniprocessor (IHI 0048B, 4.3.12),
    /// the vCPU itself for its private interrupts.
    pub(super) fn targets(&self, bank: &Bank, vcpu: usize, bit: usize) -> u8 {
        match bank.all.word() {
            _ if self.state.vcpus.len() == 1 => 0,
            0 => 1_u8.wrapping_shl(vcpu as u32),
            _ => bank.routes[bit].written as u8,
        }
    }

    /// Writes the byte of ITARGETSR of an owned interrupt.
    pub(super) fn set_targets(&mut self, set: IntidSet, targets: u8, hw: &mut impl Hardware) {
        if set.word() != 0 && self.state.vcpus.len() > 1 {
            self.set_route(set, u32::from(targets) & self.cpu_interfaces() as u32, hw);
        }
    }

    /// Routes owned SPIs that are in no list register.
    fn set_route(&mut self, set: IntidSet, written: u32, hw: &mut impl Hardware) {
        let new = self.state.route_for(written);
        let bank = self.state.bank_mut(set);
        let unrouted = if new.vcpu == NO_VCPU { set.mask() } else { 0 };
        bank.unrouted = bank.unrouted & !set.mask() | unrouted;
        bank.vcpus.set(set.mask(), new.vcpu);
        bank.astray |= bank.messages & bank.active & set.mask();
        for bit in bits(set.mask()) {
            bank.routes[bit] = Route { active_on: bank.routes[bit].active_on, ..new };
            if new.vcpu != NO_VCPU && bank.hardware >> bit & 1 != 0 {
                hw.route(set.word() * 32 + bit, usize::from(new.vcpu));
            }
        }
        self.backend.routes_changed(&self.state, set, hw);
    }

    /// Returns the set of this SPI if the partition owns it.
    fn owned_spi(&self, intid: u32) -> Option<IntidSet> {
        let spi = IntidSet::one(0, Intid::new(intid)?);
        let is_owned = spi.word() != 0
            && spi.word() < self.state.words()
            && self.state.bank(spi).owned() & spi.mask() != 0;
        is_owned.then_some(spi)
    }

    /// Returns the vCPU to which an SPI is routed; `None` if there is none.
    // Inlined into a wing.
    #[inline(always)]
    pub fn route(&self, intid: Intid) -> Option<usize> {
        let spi = IntidSet::one(0, intid);
        let bank = self.state.banks.get(self.state.bank_index(spi))?;
        let vcpu = bank.routes.get(spi.first() as usize)?.vcpu;
        (vcpu != NO_VCPU).then_some(vcpu.into())
    }

    /// Reads IROUTER. The IRM bit is zero, since GICD_TYPER.No1N is one.
    pub(super) fn read_router(&self, intid: u32) -> u64 {
        match self.owned_spi(intid) {
            Some(spi) => unpack(self.state.bank(spi).routes[(intid % 32) as usize].written),
            None => 0,
        }
    }

    /// Writes IROUTER. Returns the other vCPUs to kick.
    #[inline(always)]
    pub(super) fn write_router(&mut self, intid: u32, value: u64, hw: &mut impl Hardware) -> Kicks {
        let Some(spi) = self.owned_spi(intid) else { return Ok(CpuMask::EMPTY) };
        let kicks = self.backend.withdraw(&mut self.state, spi, hw)?;
        self.set_route(spi, pack(Mpidr::new(value)), hw);
        Ok(self.backend.deliver(&mut self.state, kicks, spi, hw))
    }
}
