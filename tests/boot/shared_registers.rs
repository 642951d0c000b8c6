//! Registers of the physical interrupt controller that partitions share: what one partition does
//! with its interrupts is nothing that another one finds at its own.

use common::{Gic, Machine, Outcome, Partition, compile, in_all_modes, source};

in_all_modes!(changes_of_triggers_are_kept);

/// What a partition does: a mode of the guest `controller` with its arguments, and a property.
type Role<'a> = (&'a str, &'a str);

/// Boots a partition with the real-time clock beside one with the GPIO controller, whose interrupts
/// have successive fields of the same registers.
fn boot(gic: Gic, victim: Role<'_>, attacker: Role<'_>) -> Outcome {
    let guest = |name: &str, (mode, property): Role<'_>, seconds, device: &str| {
        Partition::new(name, "controller")
            .bootargs(&format!("mode={mode} us={seconds}000000"))
            .property(&format!("devices = \"{device}\";"))
            .property(property)
    };
    let guests = [
        guest("victim", victim, 4, "/pl031@9010000"),
        guest("attacker", attacker, 5, "/pl061@9030000"),
    ];
    let outcome = Machine::new(gic).initrd(&compile(&source(&guests))).boot();
    outcome.expect_success();
    outcome
}

/// Two CPUs that write GICD_ICFGR as a whole at the same time lose a change in one of a thousand
/// cases.
fn changes_of_triggers_are_kept(gic: Gic) {
    let outcome = boot(gic, ("check", ""), ("toggle intid=39", ""));
    outcome.expect_line("victim", "changes, 0 were undone");
    outcome.expect_line("attacker", "controller: toggle done");
}

const DIRECT: &str = "interrupts = \"direct\";";
const TRAPPED: &str = "interrupts = \"trapped\";";
/// Deactivates the interrupt of the victim all the time.
const FOREIGN: &str = "foreign intid=34";

/// An interrupt that another partition deactivates in the physical GIC, which its guest can where
/// its interrupts are direct, arrives again while a list register holds it, and is not taken again.
#[test]
fn an_interrupt_ended_by_another_partition_is_not_taken_again() {
    let outcome = boot(Gic::V3, ("hold", TRAPPED), (FOREIGN, DIRECT));
    outcome.expect_line("victim", "controller: taken 1 times");
    outcome.expect_line("attacker", "controller: foreign done");
}

/// By default a guest ends no interrupt of another partition, not even one that is direct.
#[test]
fn no_interrupt_of_another_partition_is_ended_by_default() {
    let outcome = boot(Gic::V3, ("hold", DIRECT), (FOREIGN, ""));
    outcome.expect_line("victim", "controller: taken 1 times");
    outcome.expect_line("attacker", "controller: foreign done");
}
