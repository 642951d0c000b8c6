//! Registers of the physical interrupt controller that partitions share: what one partition does
//! with its interrupts is nothing that another one finds at its own.

use common::{Gic, Machine, Outcome, Partition, compile, in_all_modes, source};

in_all_modes!(changes_of_triggers_are_kept);

/// Boots a partition with the real-time clock beside one with the GPIO controller, whose interrupts
/// have successive fields of the same registers.
fn boot(gic: Gic, own: &str, other: &str, property: &str) -> Outcome {
    let guests = [
        Partition::new("victim", "controller")
            .bootargs(&format!("mode={own} us=4000000"))
            .property("devices = \"/pl031@9010000\";")
            .property(property),
        Partition::new("attacker", "controller")
            .bootargs(&format!("mode={other} us=5000000"))
            .property("devices = \"/pl061@9030000\";"),
    ];
    let outcome = Machine::new(gic).initrd(&compile(&source(&guests))).boot();
    outcome.expect_success();
    outcome
}

/// Two CPUs that write GICD_ICFGR as a whole at the same time lose a change in one of a thousand
/// cases.
fn changes_of_triggers_are_kept(gic: Gic) {
    let outcome = boot(gic, "check", "toggle intid=39", "");
    outcome.expect_line("victim", "changes, 0 were undone");
    outcome.expect_line("attacker", "controller: toggle done");
}

/// An interrupt that another partition deactivates in the physical GIC arrives again while a list
/// register holds it, and is not taken again.
#[test]
fn an_interrupt_ended_by_another_partition_is_not_taken_again() {
    let outcome = boot(Gic::V3, "hold", "foreign intid=34", "interrupts = \"trapped\";");
    outcome.expect_line("victim", "controller: taken 1 times");
    outcome.expect_line("attacker", "controller: foreign done");
}
