//! Accesses to a guest's ends of links.

use bulkhead::devices::address_map::{DOORBELLS, VIRTIO};
use bulkhead::devices::planned::DeviceKind;

use super::Vcpu;
use crate::el2::arch::frame::repeat_instruction;
use crate::el2::partition::LinkAccess;

impl Vcpu {
    /// Carries out an access of `size` bytes to a device of a link or to a doorbell: a store of
    /// `stored`, or a load if it is `None`. `offset` is that from the first one of its kind. Returns
    /// the value loaded.
    #[inline(never)]
    pub fn link_access(
        &self,
        kind: DeviceKind,
        offset: u64,
        size: u64,
        stored: Option<u64>,
    ) -> u64 {
        let Some(links) = &self.partition.links else { return 0 };
        let first = match kind {
            DeviceKind::Doorbells => DOORBELLS.get() - VIRTIO.get(),
            _ => 0,
        };
        let access = LinkAccess { offset: first + offset, size: size as u8, stored };
        links.access(access).unwrap_or_else(|| {
            repeat_instruction();
            0
        })
    }

    /// Continues with the work of the partition's links.
    pub fn poll_links(&self) {
        if let Some(links) = &self.partition.links {
            links.poll();
        }
    }
}
