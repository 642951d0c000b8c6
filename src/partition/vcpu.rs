//! Maps the numbers of a partition's vCPUs to affinities.

use crate::arch::mpidr::Mpidr;

impl Mpidr {
    /// The number of vCPUs with the same Aff1: as many as the target list of ICC_SGI1R_EL1 holds.
    pub const CLUSTER: usize = 16;
    /// RES1 in MPIDR_EL1 and VMPIDR_EL2.
    const RES1: u64 = 1 << 31;

    /// Returns the affinity of vCPU `number` (below 4096): Aff0 is 0 to 15, so that one GICv3 SGI
    /// reaches all values, and Aff1 counts on.
    pub const fn of_vcpu(number: usize) -> Self {
        Self::new((number % Self::CLUSTER) as u64 | ((number / Self::CLUSTER % 256) as u64) << 8)
    }

    /// Returns the number of the vCPU with this affinity, whether or not a partition has that many;
    /// `None` if no vCPU has it.
    pub const fn to_vcpu(self) -> Option<usize> {
        let number = self.affinity(1) as usize * Self::CLUSTER + self.affinity(0) as usize;
        if Self::of_vcpu(number).get() == self.get() { Some(number) } else { None }
    }

    /// Returns the value of VMPIDR_EL2 for this affinity, which the guest reads in MPIDR_EL1.
    pub const fn register(self) -> u64 {
        self.get() | Self::RES1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_affinities_are_one_to_one() {
        for number in 0..4096 {
            assert_eq!(Mpidr::of_vcpu(number).to_vcpu(), Some(number));
        }
        assert_eq!(Mpidr::of_vcpu(17).get(), 0x101);
        assert_eq!(Mpidr::of_vcpu(17).register(), 0x8000_0101);
    }

    #[test]
    fn affinities_of_no_vcpu_have_no_number() {
        for affinity in [0x10, 0x1_0000, 0x1_0000_0000, 0xff] {
            assert_eq!(Mpidr::new(affinity).to_vcpu(), None, "{affinity:#x}");
        }
    }
}
