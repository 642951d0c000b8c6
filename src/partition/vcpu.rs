//! How a partition's vCPUs are numbered.

use crate::arch::mpidr::Mpidr;

impl Mpidr {
    /// vCPUs that share one value of Aff1: what the target list of ICC_SGI1R_EL1 can name at once.
    pub const CLUSTER: usize = 16;
    /// RES1 in MPIDR_EL1 and VMPIDR_EL2.
    const RES1: u64 = 1 << 31;

    /// The affinity of vCPU `number`: Aff0 counts to 16, as one GICv3 SGI can reach, then Aff1.
    /// Numbers from 4096 on, which would need Aff2, do not occur.
    pub const fn of_vcpu(number: usize) -> Self {
        Self::new((number % Self::CLUSTER) as u64 | ((number / Self::CLUSTER % 256) as u64) << 8)
    }

    /// The vCPU number with this affinity, whether or not a partition has that many.
    pub const fn to_vcpu(self) -> Option<usize> {
        let number = self.affinity(1) as usize * Self::CLUSTER + self.affinity(0) as usize;
        if Self::of_vcpu(number).get() == self.get() { Some(number) } else { None }
    }

    /// The affinity as a CPU of a multiprocessor reads it in MPIDR_EL1: the value of VMPIDR_EL2.
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
    fn affinities_of_no_vcpu_are_told() {
        for affinity in [0x10, 0x1_0000, 0x1_0000_0000, 0xff] {
            assert_eq!(Mpidr::new(affinity).to_vcpu(), None, "{affinity:#x}");
        }
    }
}
