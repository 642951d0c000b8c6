//! The mends of messages.

use super::Test::{Boot, Library};
use super::{Mend, change};

/// The mends, by the promises that they keep.
pub const MENDS: &[Mend] = &[
    Mend {
        attack: "a message is injected while its interrupt is active on another vCPU",
        changes: &[change(
            "src/vgic/routing.rs",
            "        bank.astray |= bank.messages & bank.active & set.mask();\n",
            "",
        )],
        tests: &[Library("an_interrupt_is_not_active_on_two_vcpus")],
    },
    Mend {
        attack: "a function raises the interrupts of another partition by the frame of both",
        changes: &[change(
            "src/boot/plan/messages.rs",
            "MessageKind::Frame(_) => !chosen.contains(&Some(controller)),",
            "MessageKind::Frame(_) => true,",
        )],
        tests: &[Library("a_frame_has_one_owner_and_its_interrupts_are_nobody_elses")],
    },
    Mend {
        attack: "the ITS brings the messages of all partitions to the CPU of one",
        changes: &[change(
            "src/el2/boot/its.rs",
            "Command::MapInterrupt { device, event, lpi, collection }",
            "Command::MapInterrupt { device, event, lpi, collection: collection & 0 }",
        )],
        tests: &[Boot("messages::messages_interrupt_nobody_but_their_own_guest::gicv3")],
    },
    Mend {
        attack: "a message that is pending when a partition ends comes in its next life",
        changes: &[change(
            "src/el2/dma/smmu.rs",
            "its.is_none_or(|its| its.clear(self.partition))",
            "its.is_none_or(|_| true)",
        )],
        tests: &[Boot("messages::no_message_outlives_a_restart::gicv3")],
    },
];
