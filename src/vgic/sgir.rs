//! GICD_SGIR, by which a GICv2 guest sends SGIs (IHI 0048B, 4.3.15).

use super::controller::Vgic;
use super::cpu_mask::CpuMask;
use super::hardware::Hardware;
use super::intid_set::IntidSet;
use crate::arch::addr::{Ipa, PAGE_SIZE};
use crate::arch::esr;

/// The offset of GICD_SGIR in the distributor.
pub(super) const GICD_SGIR: u64 = 0xf00;
/// TargetListFilter.
const FILTER: u32 = 24;
/// To all CPU interfaces but the sender's.
const FILTER_OTHERS: u32 = 1;
/// To the sender's CPU interface.
const FILTER_OWN: u32 = 2;
/// CPUTargetList, one bit for each CPU interface.
const TARGETS: u32 = 16;
/// SGIINTID.
const SGI: u32 = 0xf;

/// How a vCPU's stores to GICD_SGIR are translated to stores to the physical GICD_SGIR.
#[derive(Clone, Debug)]
pub struct SgirRoute {
    /// HPFAR_EL2 of an access to the guest's distributor; an impossible value if [`Vgic`] sends all
    /// SGIs.
    hpfar: u64,
    /// The SGIs that are sent as physical SGIs of the same number, one bit each.
    physical_sgis: u16,
    /// The sender's bit in the guest's CPUTargetList.
    own: u8,
    /// The physical CPUTargetList for each value of the guest's.
    targets: [u8; 256],
}

impl SgirRoute {
    /// The route without physical SGIs: [`Vgic`] sends all SGIs.
    pub const NONE: Self = Self { hpfar: u64::MAX, physical_sgis: 0, own: 0, targets: [0; 256] };

    /// Returns the route for vCPU `own`. `physical_sgis` are the SGIs to send as physical ones.
    /// `interfaces` are the CPU interfaces of the partition's CPUs, at most 8, as bits of the
    /// physical CPUTargetList.
    #[must_use]
    pub fn new(
        distributor: Ipa,
        physical_sgis: u16,
        own: usize,
        interfaces: impl Iterator<Item = u8>,
    ) -> Self {
        let mut targets = [0; 256];
        let mut known = 1;
        for interface in interfaces.take(8) {
            // Each further bit doubles the number of lists.
            for list in 0..known {
                targets[known + list] = targets[list] | interface;
            }
            known *= 2;
        }
        // vCPUs that do not exist make no difference.
        let (existing, others) = targets.split_at_mut(known);
        others.chunks_mut(known).for_each(|chunk| chunk.copy_from_slice(existing));
        Self {
            hpfar: esr::hpfar(distributor),
            physical_sgis,
            own: CpuMask::one(own).bits() as u8,
            targets,
        }
    }

    /// Returns whether FAR_EL2 and HPFAR_EL2 are those of an access to GICD_SGIR, and physical SGIs
    /// are used.
    #[inline(always)]
    pub const fn is_at(&self, far: u64, hpfar: u64) -> bool {
        far & (PAGE_SIZE - 1) == GICD_SGIR && hpfar == self.hpfar
    }

    /// Returns the value for the physical GICD_SGIR that carries out the guest's store of `value`;
    /// `None` if the SGI is not sent as a physical one.
    #[inline(always)]
    #[must_use]
    pub const fn physical(&self, value: u32) -> Option<u32> {
        let sgi = value & SGI;
        if self.physical_sgis >> sgi & 1 == 0 {
            return None;
        }
        let list = target_list(value, self.own);
        Some((self.targets[list as usize] as u32) << TARGETS | sgi)
    }
}

/// Returns the targets of a store of `value` by CPU interface `own`, with the filter applied.
#[inline(always)]
const fn target_list(value: u32, own: u8) -> u8 {
    match value >> FILTER & 3 {
        0 => (value >> TARGETS) as u8,
        filter => filtered(filter, own),
    }
}

/// Returns the targets of a store with a filter other than 0.
#[cold]
const fn filtered(filter: u32, own: u8) -> u8 {
    match filter {
        FILTER_OTHERS => !own,
        FILTER_OWN => own,
        _ => 0,
    }
}

impl Vgic {
    /// Carries out the guest's store of `value` to GICD_SGIR, if EL2 does not send a physical SGI
    /// for it. Returns the other vCPUs to kick. NSATT is ignored: there are no Security states.
    pub(super) fn write_sgir(&mut self, value: u32, hw: &mut impl Hardware) -> CpuMask {
        let own = CpuMask::one(hw.vcpu()).bits() as u8;
        let targets = u64::from(target_list(value, own));
        let sgi = (value & SGI) as usize;
        let mut kicks = CpuMask::EMPTY;
        for target in CpuMask::from_bits(targets & self.cpu_interfaces()) {
            if self.state.private_mut(target).raise_sgi(sgi, hw.vcpu() as u8 & 7) {
                kicks |= CpuMask::one(target);
            }
        }
        self.backend.deliver(&mut self.state, kicks, IntidSet::NONE, hw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISTRIBUTOR: Ipa = Ipa::new(0xff84_1000);

    /// Three vCPUs on the machine's CPU interfaces 5, 0 and 2.
    fn route(own: usize) -> SgirRoute {
        SgirRoute::new(DISTRIBUTOR, 0x7fff, own, [1 << 5, 1, 1 << 2].into_iter())
    }

    #[test]
    fn target_lists_are_translated_to_the_machine_s() {
        let route = route(1);
        for (list, expected) in [
            (0, 0),
            (0b001, 0b10_0000),
            (0b010, 0b1),
            (0b110, 0b101),
            // There is no fourth vCPU.
            (0b1000, 0),
            (0xff, 0b10_0101),
        ] {
            assert_eq!(route.physical(list << 16 | 9), Some(expected << 16 | 9), "{list:#b}");
        }
    }

    #[test]
    fn filters_ignore_the_target_list() {
        for (own, itself, others) in [(0, 1 << 5, 0b101), (1, 1, 0b10_0100), (2, 1 << 2, 0b10_0001)]
        {
            let physical = |filter: u32| route(own).physical(filter << 24 | 0xff_8007);
            assert_eq!(physical(1), Some(others << 16 | 7));
            assert_eq!(physical(2), Some(itself << 16 | 7));
            assert_eq!(physical(3), Some(7));
        }
    }

    #[test]
    fn other_sgis_and_other_registers_are_not_translated() {
        assert_eq!(route(0).physical(1 << 16 | 15), None);
        assert_eq!(SgirRoute::NONE.physical(1 << 16), None);
        let at = |route: SgirRoute, far| route.is_at(far, esr::hpfar(DISTRIBUTOR));
        assert!(at(route(0), 0xffff_0000_1234_5f00));
        assert!(!at(route(0), 0xffff_0000_1234_5f04));
        assert!(!at(SgirRoute::NONE, 0xf00));
        assert!(!route(0).is_at(0xf00, esr::hpfar(Ipa::new(0xff84_2000))));
    }
}
