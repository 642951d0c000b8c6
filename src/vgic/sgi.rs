//! Software-generated interrupts, which a vCPU sends to vCPUs of its partition.

use super::access::RegisterAccess;
use super::controller::Vgic;
use super::cpu_mask::CpuMask;
use super::hardware::Hardware;
use super::intid_set::{IntidSet, bits};
use super::recall::Kicks;
use super::registers::byte_shift;
use crate::arch::mpidr::Mpidr;

/// The GICv3 system registers that send SGIs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SgiRegister {
    /// ICC_SGI0R_EL1: to the CPUs on which the SGI is in Group 0.
    Sgi0,
    /// ICC_SGI1R_EL1: to the CPUs on which the SGI is in Group 1.
    Sgi1,
    /// ICC_ASGI1R_EL1: Group 1 of the other Security state. With a single Security state the
    /// distributor treats it as Group 0 (IHI 0069, "Forwarding an SGI to a target PE").
    Asgi1,
}

/// The value that a GICv3 guest writes to send an SGI (IHI 0069, ICC_SGI1R_EL1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SgiRequest(u64);

impl SgiRequest {
    /// IRM.
    const ALL_BUT_SELF: u64 = 1 << 40;
    /// Aff3, Aff2, Aff1 and RS, all zero for the first 16 vCPUs.
    const OUTSIDE_CLUSTER: u64 = 0xff << 48 | 0xff << 32 | 0xff << 16 | 0xf << 44;

    /// Returns the request for SGI `sgi` to the CPU of this affinity.
    #[must_use]
    pub fn to(cpu: Mpidr, sgi: usize) -> Self {
        let range = u64::from(cpu.affinity(0) >> 4) << 44;
        Self(Self::cluster(cpu) | range | (sgi as u64) << 24 | 1 << (cpu.affinity(0) & 0xf))
    }

    /// Returns the fields Aff3, Aff2 and Aff1 for a CPU's cluster.
    fn cluster(cpu: Mpidr) -> u64 {
        let affinity = |level| u64::from(cpu.affinity(level));
        affinity(3) << 48 | affinity(2) << 32 | affinity(1) << 16
    }

    /// Returns the value for ICC_SGI1R_EL1 or ICC_SGI0R_EL1.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Converts a value of ICC_SGI1R_EL1 or ICC_SGI0R_EL1.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// Returns the INTID of the SGI: 0 to 15.
    #[must_use]
    pub const fn sgi(self) -> usize {
        (self.0 >> 24 & 0xf) as usize
    }

    /// Returns the targets among `vcpus` vCPUs, at most 64, with the affinities of
    /// [`Mpidr::of_vcpu`]. `own` is the sender.
    #[inline(always)]
    pub const fn targets(self, own: usize, vcpus: usize) -> CpuMask {
        let all = CpuMask::first(vcpus);
        if self.0 & Self::ALL_BUT_SELF != 0 {
            return all.without(own);
        }
        // Aff1 is 0 to 3 for up to 64 vCPUs.
        if self.0 & (Self::OUTSIDE_CLUSTER & !(0x3 << 16)) != 0 {
            return CpuMask::EMPTY;
        }
        let first = (self.0 >> 16 & 0x3) * Mpidr::CLUSTER as u64;
        CpuMask::from_bits((self.0 & 0xffff) << first & all.bits())
    }
}

/// How a vCPU's SGIs are sent as physical SGIs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SgiRoute {
    /// One write sends to all targets: the partition's CPUs are consecutive in one cluster.
    Cluster {
        /// ICC_SGI1R_EL1 with the cluster's affinity and no target.
        base: u64,
        /// Aff0 of the CPU of vCPU 0.
        first: u8,
        /// All vCPUs, one bit each.
        all: u16,
        /// ICC_SGI1R_EL1 with the cluster's affinity and all vCPUs but the sender.
        others: u64,
    },
    /// One write for each target.
    Each,
    /// No physical SGIs: [`Vgic::send_sgi`] sends all SGIs.
    Virtual,
}

impl SgiRoute {
    /// Returns the route for vCPU `own` of a partition whose CPUs have these affinities.
    #[must_use]
    pub fn new(cpus: &[Mpidr], own: usize) -> Self {
        let Some(first) = cpus.first() else { return Self::Each };
        let is_next = |(index, cpu): (usize, &Mpidr)| cpu.get() == first.get() + index as u64;
        let from = first.affinity(0);
        let has_room = usize::from(from) + cpus.len() <= Mpidr::CLUSTER;
        if !has_room || !cpus.iter().enumerate().all(is_next) {
            return Self::Each;
        }
        let all = ((1_u32 << cpus.len()) - 1) as u16;
        let base = SgiRequest::cluster(*first);
        let others = base | u64::from(all & !(1 << own)) << from;
        Self::Cluster { base, first: from, all, others }
    }

    /// Returns the value for ICC_SGI1R_EL1 that carries out the guest's `request`; `None` if one
    /// write is not sufficient, and for targets outside the vCPUs' cluster, which do not exist.
    #[inline(always)]
    #[must_use]
    pub const fn physical(self, request: SgiRequest) -> Option<u64> {
        let Self::Cluster { base, first, all, others } = self else { return None };
        let value = request.0;
        let sgi = value & 0xf << 24;
        if value & SgiRequest::ALL_BUT_SELF != 0 {
            return Some(others | sgi);
        }
        if value & SgiRequest::OUTSIDE_CLUSTER != 0 {
            return None;
        }
        Some(base | ((value as u16 & all) as u64) << (first & 0xf) | sgi)
    }
}

impl Vgic {
    /// Carries out the guest's write of `value` to a GICv3 register that sends SGIs, if EL2 does
    /// not send physical SGIs for it. Returns the other vCPUs to kick.
    pub fn send_sgi(
        &mut self,
        register: SgiRegister,
        value: u64,
        hw: &mut impl Hardware,
    ) -> CpuMask {
        let request = SgiRequest::new(value);
        let sgi = request.sgi();
        let group1 = u32::from(register == SgiRegister::Sgi1);
        let mut kicks = CpuMask::EMPTY;
        for target in request.targets(hw.vcpu(), self.state.vcpus.len()) {
            let bank = self.state.private_mut(target);
            if bank.group1 >> sgi & 1 == group1 && bank.raise_sgi(sgi, 0) {
                kicks |= CpuMask::one(target);
            }
        }
        self.backend.deliver(&mut self.state, kicks, IntidSet::NONE, hw)
    }

    /// Returns the CPU interfaces of a GICv2, one bit each.
    pub(super) fn cpu_interfaces(&self) -> u64 {
        (1 << self.state.vcpus.len().min(8)) - 1
    }

    /// Reads GICD_CPENDSGIR or GICD_SPENDSGIR, which have a byte of sources for each SGI.
    #[inline(always)]
    pub(super) fn read_pending_sgis(&self, access: RegisterAccess, hw: &mut impl Hardware) -> u64 {
        let first = access.offset as u32 & 0xf;
        let sgis = ((1 << access.size) - 1) << first;
        let mut value = 0;
        for sgi in bits(sgis) {
            let sources = self.backend.sgi_sources(&self.state, sgi, hw);
            value |= u64::from(sources) << byte_shift(sgi, first);
        }
        value
    }

    /// Writes GICD_SPENDSGIR (`set`) or GICD_CPENDSGIR. Returns the other vCPUs to kick.
    #[inline(always)]
    pub(super) fn write_pending_sgis(
        &mut self,
        access: RegisterAccess,
        set: bool,
        hw: &mut impl Hardware,
    ) -> Kicks {
        let owner = hw.vcpu();
        let existing = self.cpu_interfaces() as u8;
        let first = access.offset as u32 & 0xf;
        let sgis = IntidSet::new(owner, 0, ((1 << access.size) - 1) << first);
        let kicks = self.backend.withdraw(&mut self.state, sgis, hw)?;
        let bank = self.state.bank_mut(sgis);
        for sgi in bits(sgis.mask()) {
            let written = (access.value as u32 >> byte_shift(sgi, first)) as u8 & existing;
            let sources = bank.sources[sgi & 0xf];
            let sources = if set { sources | written } else { sources & !written };
            bank.set_sources(sgi, sources);
        }
        Ok(self.backend.deliver(&mut self.state, kicks, sgis, hw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Returns the affinities of a request's physical targets, sent by one write or one for each.
    fn reached(cpus: &[Mpidr], own: usize, request: SgiRequest) -> Vec<u64> {
        match SgiRoute::new(cpus, own).physical(request) {
            None => request.targets(own, cpus.len()).map(|vcpu| cpus[vcpu].get()).collect(),
            Some(value) => {
                assert_eq!(value >> 24 & 0xf, request.sgi() as u64);
                let cluster = (value >> 48 & 0xff) << 32 | (value >> 32 & 0xff) << 16;
                let cluster = cluster | (value >> 16 & 0xff) << 8;
                (0..16).filter(|bit| value >> bit & 1 != 0).map(|bit| cluster | bit).collect()
            }
        }
    }

    #[test]
    fn one_write_reaches_the_same_targets_as_one_write_for_each() {
        let list = |cpus: &[u64]| cpus.iter().map(|cpu| Mpidr::new(*cpu)).collect::<Vec<_>>();
        let sets = [
            list(&[3]),
            list(&[2, 3, 4]),
            list(&[0x1_0000_010c, 0x1_0000_010d, 0x1_0000_010e, 0x1_0000_010f]),
            // Not consecutive, not in order, not in one cluster.
            list(&[0, 2]),
            list(&[1, 0]),
            list(&[0xf, 0x10, 0x11]),
            list(&[0, 0x100]),
        ];
        let requests =
            [0, 1, 2, 7, 0xffff, 1 << 40, 1 << 40 | 1, 1 << 16 | 1, 1 << 44 | 1, 1 << 48 | 3];
        for cpus in &sets {
            for own in 0..cpus.len() {
                for request in requests.map(|it| SgiRequest::new(it | 5 << 24)) {
                    let expected: Vec<_> =
                        request.targets(own, cpus.len()).map(|vcpu| cpus[vcpu].get()).collect();
                    assert_eq!(reached(cpus, own, request), expected, "{cpus:?} {own} {request:?}");
                }
            }
        }
        assert!(matches!(SgiRoute::new(&sets[1], 0), SgiRoute::Cluster { .. }));
        assert_eq!(SgiRoute::new(&sets[3], 0), SgiRoute::Each);
    }

    #[test]
    fn request_for_one_cpu_contains_its_whole_affinity() {
        let request = SgiRequest::to(Mpidr::new(0x12_0034_5678), 9);
        assert_eq!(
            request.value(),
            0x12 << 48 | 7 << 44 | 0x34 << 32 | 9 << 24 | 0x56 << 16 | 1 << 8
        );
        assert_eq!(request.sgi(), 9);
    }
}
