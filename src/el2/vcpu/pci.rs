//! Accesses to the configuration space of a guest's PCI Express functions.

use super::Vcpu;

impl Vcpu {
    /// Carries out an access of `size` bytes at an offset: a store of `stored`, or a load if it is
    /// `None`. Returns the value loaded.
    #[inline(never)]
    pub fn pci_access(&self, offset: u64, size: u64, stored: Option<u64>) -> u64 {
        self.partition.pci.as_ref().map_or(u64::MAX, |pci| pci.access(offset, size, stored))
    }
}
