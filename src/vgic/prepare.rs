//! What is prepared for [`Arrivals`](super::Arrivals).

use super::bank::Bank;
use super::config::{Delivery, Version};
use super::controller::Vgic;
use super::intid_set::{IntidSet, bits};
use super::state::VcpuInterrupts;

impl Vgic {
    /// Prepares the list registers of those interrupts that may be delivered. After each
    /// [`forbid`](Self::forbid), and when there are more of them.
    pub(super) fn prepare(&self, set: IntidSet) {
        if self.delivery == Delivery::Trapped {
            Self::prepare_in(&self.vcpus, self.version, self.physical_sgis, self.bank(set), set);
        }
    }

    /// The same, given the bank that the set is of, and of the partition what else it takes.
    #[inline(always)]
    pub(super) fn prepare_in(
        vcpus: &[VcpuInterrupts],
        version: Version,
        physical_sgis: u32,
        bank: &Bank,
        set: IntidSet,
    ) {
        let sgis = match (set.word(), version) {
            (0, Version::V2) => physical_sgis,
            // Physical ones stand for those of Group 1.
            (0, Version::V3) => physical_sgis & bank.group1,
            _ => 0,
        };
        for bit in bits(set.mask() & bank.deliverable & (bank.hardware | sgis)) {
            if let Some(vcpu) = vcpus.get(usize::from(bank.routes[bit].vcpu)) {
                let value = bank.entries[bit].arriving(version);
                vcpu.arrivals.prepare(set.word() * 32 + bit, value);
            }
        }
    }

    /// Keeps these interrupts from being listed without the lock, so that [`holders`](Self::holders)
    /// tells who lists them already.
    pub(super) fn forbid(&self, set: IntidSet) {
        if self.delivery == Delivery::Trapped {
            for (index, vcpu) in self.vcpus.iter().enumerate() {
                if set.word() != 0 || index == set.owner() {
                    vcpu.arrivals.forbid(set.word(), set.mask());
                }
            }
        }
    }

    /// [`prepare`](Self::prepare) for all interrupts.
    pub(super) fn prepare_all(&self) {
        self.banks.iter().for_each(|bank| self.prepare(bank.all));
    }

    /// [`forbid`](Self::forbid) for all interrupts.
    pub(super) fn forbid_all(&self) {
        self.banks.iter().for_each(|bank| self.forbid(bank.all));
    }
}
