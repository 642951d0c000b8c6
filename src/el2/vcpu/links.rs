//! Accesses to a guest's ends of links.

use bulkhead::arch::addr::PAGE_SIZE;
use bulkhead::virtio::registers::{INTERRUPT_ACK, INTERRUPT_STATUS};

use super::Vcpu;
use crate::el2::arch::frame::repeat_instruction;
use crate::el2::partition::LinkAccess;

impl Vcpu {
    /// Loads from a register of a link's device. `offset` is that from the first device's.
    #[inline(always)]
    pub fn link_load(&self, offset: u64, size: u64) -> u64 {
        match self.signals.get((offset / PAGE_SIZE) as usize) {
            Some(signals) if size == 4 && offset % PAGE_SIZE == INTERRUPT_STATUS => {
                signals.interrupts().into()
            }
            _ => self.link_access(LinkAccess { offset, size: size as u8, stored: None }),
        }
    }

    /// Stores to a register of a link's device. `offset` is that from the first device's.
    #[inline(always)]
    pub fn link_store(&self, offset: u64, size: u64, value: u64) {
        let device = (offset / PAGE_SIZE) as usize;
        match self.signals.get(device) {
            Some(signals) if size == 4 && offset % PAGE_SIZE == INTERRUPT_ACK => {
                if signals.acknowledge(value as u32) {
                    self.interrupt_by_link(device);
                }
            }
            _ => _ = self.link_access(LinkAccess { offset, size: size as u8, stored: Some(value) }),
        }
    }

    /// Carries out an access to a device of a link, and returns the value loaded.
    #[inline(never)]
    fn link_access(&self, access: LinkAccess) -> u64 {
        let Some(links) = &self.partition.links else { return 0 };
        links.access(access).unwrap_or_else(|| {
            repeat_instruction();
            0
        })
    }

    /// Asserts the interrupt of the device with this index again: what came while its driver handled
    /// the last one needs another edge.
    #[cold]
    #[inline(never)]
    pub fn interrupt_by_link(&self, device: usize) {
        if let Some(links) = &self.partition.links {
            links.interrupt(device);
        }
    }

    /// Continues with the work of the partition's links.
    pub fn poll_links(&self) {
        if let Some(links) = &self.partition.links {
            links.poll();
        }
    }
}
