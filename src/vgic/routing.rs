//! Which vCPU an SPI goes to: ITARGETSR of GICv2, IROUTER of GICv3.
//!
//! A GICv2 interrupt with several targets goes to the one with the lowest number, which IHI 0048B
//! (1.4.3, the 1-N model) leaves to the implementation. One whose target does not exist stays
//! pending until it is given one that does.

use super::hardware::Hardware;
use super::state::{NOWHERE, Route, bits, place};
use super::{CpuMask, Recall, Version, Vgic};
use crate::intid::Intid;
use crate::machine::Mpidr;

/// Aff3.Aff2.Aff1.Aff0 in 32 bits.
pub(super) fn pack(affinity: Mpidr) -> u32 {
    u32::from_be_bytes([3, 2, 1, 0].map(|level| affinity.affinity(level)))
}

/// The same as MPIDR_EL1 and IROUTER have it.
pub(super) fn unpack(affinity: u32) -> u64 {
    u64::from(affinity >> 24) << 32 | u64::from(affinity & 0xff_ffff)
}

impl Vgic {
    /// The route that what the guest wrote stands for.
    pub(super) fn route_for(&self, written: u32) -> Route {
        let vcpu = match self.version {
            Version::V2 if self.vcpus.len() == 1 => Some(0),
            Version::V2 => bits(written).next(),
            Version::V3 => self.vcpus.iter().position(|vcpu| vcpu.affinity == written),
        };
        Route { written, vcpu: vcpu.map_or(NOWHERE, |vcpu| vcpu as u8), active_on: 0 }
    }

    /// A byte of ITARGETSR: zero where there is one CPU (IHI 0048B, 4.3.12), and the reading CPU
    /// for its own interrupts.
    pub(super) fn targets(&self, vcpu: usize, intid: usize) -> u8 {
        match intid {
            _ if self.vcpus.len() == 1 => 0,
            0..32 => 1 << vcpu,
            _ => self.route(intid).written as u8,
        }
    }

    /// Writes a byte of ITARGETSR.
    pub(super) fn set_targets(&mut self, intid: usize, targets: u8, hw: &mut impl Hardware) {
        let cpus = self.vcpus.len();
        if intid >= 32 && cpus > 1 {
            let existing = (1u32 << cpus) - 1;
            self.set_route(intid, u32::from(targets) & existing, hw);
        }
    }

    /// Routes an owned SPI that is in no list register.
    fn set_route(&mut self, intid: usize, written: u32, hw: &mut impl Hardware) {
        let new = self.route_for(written);
        let route = self.route_mut(intid);
        route.written = new.written;
        route.vcpu = new.vcpu;
        let is_hardware = self.bank(0, intid / 32).hardware >> (intid % 32) & 1 != 0;
        if let (true, true, Some(intid)) =
            (new.vcpu != NOWHERE, is_hardware, Intid::new(intid as u32))
        {
            hw.route(intid, usize::from(new.vcpu));
        }
    }

    /// Whether the guest can see this SPI.
    fn owns_spi(&self, intid: Intid) -> bool {
        let (word, bit) = place(intid);
        word != 0 && word < self.words() && self.bank(0, word).owned() & bit != 0
    }

    /// Reads IROUTER. Its IRM bit reads as zero: GICD_TYPER.No1N.
    pub(super) fn read_router(&self, intid: u32) -> u64 {
        match Intid::new(intid) {
            Some(intid) if self.owns_spi(intid) => unpack(self.route(intid.get() as usize).written),
            _ => 0,
        }
    }

    /// Writes IROUTER.
    pub(super) fn write_router(
        &mut self,
        vcpu: usize,
        intid: u32,
        value: u64,
        hw: &mut impl Hardware,
    ) -> Result<CpuMask, Recall> {
        match Intid::new(intid) {
            Some(intid) if self.owns_spi(intid) => {
                let (word, bit) = place(intid);
                let kicks = self.withdraw(vcpu, vcpu, word, bit, hw)?;
                self.set_route(intid.get() as usize, pack(Mpidr::new(value)), hw);
                Ok(self.settle(vcpu, kicks | self.awaiting(vcpu, word, bit), hw))
            }
            _ => Ok(CpuMask::EMPTY),
        }
    }
}
