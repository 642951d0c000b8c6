//! Accesses to a guest's ends of links.

use super::Vcpu;
use crate::el2::arch::frame::repeat_instruction;
use crate::el2::partition::LinkAccess;

impl Vcpu {
    /// Carries out an access to a device of a link, and returns the value loaded.
    #[inline(never)]
    pub fn link_access(&self, access: LinkAccess) -> u64 {
        let Some(links) = &self.partition.links else { return 0 };
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
