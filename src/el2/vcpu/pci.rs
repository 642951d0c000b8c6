//! Accesses to the configuration space of a guest's PCI Express functions, and to the frame for their
//! messages.

use super::Vcpu;

impl Vcpu {
    /// Carries out an access of `size` bytes at an offset: a store of `stored`, or a load if it is
    /// `None`. Returns the value loaded.
    #[inline(never)]
    pub fn pci_access(&self, offset: u64, size: u64, stored: Option<u64>) -> u64 {
        let Some(pci) = &self.partition.pci else { return u64::MAX };
        let result = pci.access(offset, size, stored);
        if stored.is_some() && result != 0 {
            self.frame_write(false, result >> 32, 4, result & 0xffff_ffff);
        }
        result
    }
}
