//! Accesses to a guest's virtio devices and doorbells.

use bulkhead::operator::console::Notify;
use bulkhead::util::deadlines::User;

use super::Vcpu;
use crate::el2::arch::frame::repeat_instruction;
use crate::el2::cpu::timer;
use crate::el2::partition::{LinkAccess, PartitionState};

impl Vcpu {
    /// Carries out an access of `size` bytes to a virtio device: a store of `stored`, or a load if it is
    /// `None`. `offset` is that from the first one. Returns the value loaded.
    #[inline(never)]
    pub fn link_access(&self, offset: u64, size: u64, stored: Option<u64>) -> u64 {
        let Some(links) = &self.partition.links else { return 0 };
        links.access(LinkAccess { offset, size: size as u8, stored }).unwrap_or_else(|| {
            repeat_instruction();
            0
        })
    }

    /// Does the same for a doorbell.
    #[inline(never)]
    pub fn doorbell_access(&self, offset: u64, size: u64, stored: Option<u64>) -> u64 {
        let access = LinkAccess { offset, size: size as u8, stored };
        self.partition.doorbells.as_ref().map_or(0, |doorbells| doorbells.access(access))
    }

    /// Moves output and input of the virtio console, if its driver works, after it has notified it.
    pub fn run_console(&self) {
        let mut state = self.partition.state.lock();
        let notify = self.poll_console(&mut state, false);
        drop(state);
        if notify == Notify::Yes {
            // All output is published. To send it is a visit of its own.
            self.partition.port.request();
            timer::set_deadline(User::Uart, None);
        } else {
            self.notify_console(notify, timer::now());
        }
    }

    /// Moves output and input of the virtio console, if its driver works. `is_due` says that the driver
    /// must not wait any longer for an interrupt. Returns whether the console must be notified.
    // One copy for all callers.
    #[inline(never)]
    pub fn poll_console(&self, _: &mut PartitionState, is_due: bool) -> Notify {
        let Some(links) = &self.partition.links else { return Notify::No };
        if !self.partition.port.has_virtio() {
            return Notify::No;
        }
        let before = self.shut_output(timer::now());
        before.max(links.run_console(is_due))
    }

    /// Continues with the work of the partition's links.
    pub fn poll_links(&self) {
        if let Some(links) = &self.partition.links {
            links.poll();
        }
    }
}
