//! The audit of the translation tables: its line, and that it finds bugs of the code that builds them,
//! which are planted in copies of the image.

use crate::support::{Gic, Machine, REFUSED, branch, function, instruction, on_both_gics, patched};

on_both_gics!(
    the_report_says_what_was_walked,
    memory_of_el2_that_is_written_and_executed_is_found,
    memory_of_a_guest_that_is_elsewhere_is_found,
);

fn the_report_says_what_was_walked(gic: Gic) {
    let outcome = Machine::new(gic).boot();
    outcome.ends_well();
    // Two partitions of 16 MiB, and on GICv2 a page of the CPU interface for each.
    let pages = if gic == Gic::V2 { "8,194" } else { "8,192" };
    let line = format!("audit       {pages} pages in ");
    outcome.says("bulkhead", &line);
    outcome.says("bulkhead", " tables of 2 partitions: each has one owner");
}

/// Boots an image in which `bug` comes before the function that fills tables: `Tables::fill`, with
/// the bytes that an entry spans in x2, the run's addresses at x3, and a leaf's attributes in x4.
#[track_caller]
fn finds(gic: Gic, bug: &[u32], what: &str) {
    let fill = function(&["6tables", "6Tables", "4fill"]);
    // Printed by panics alone, so that its code can be replaced.
    let room = function(&["6tables", "8MapError", "5Debug3fmt"]);
    let back = branch(room + 4 * (bug.len() + 1), fill + 4);
    let detour = [bug, &[instruction(fill), back]].concat();
    assert!(detour.len() <= 14, "there is no room for the bug");
    let image = patched(&[(fill, &[branch(fill, room)]), (room, &detour)]);
    let outcome = Machine::new(gic).kernel(&image).boot();
    outcome.ends_with(REFUSED).says("bulkhead", "no guest was started");
    let refusal = format!("refused: the audit of the translation tables, {what}");
    outcome.says("bulkhead", &refusal);
    outcome.check(outcome.of("hello").is_empty(), "a guest ran");
}

fn memory_of_el2_that_is_written_and_executed_is_found(gic: Gic) {
    // and x4, x4, #~(1 << 54): SCTLR_EL2.WXN keeps the machine going.
    finds(gic, &[0x9249_f884], "EL2: memory is both written and executed");
}

/// So that the last 2 MiB of one partition are the first of the next.
fn memory_of_a_guest_that_is_elsewhere_is_found(gic: Gic) {
    #[rustfmt::skip]
    let shift = [
        0x36f0_00c2, // tbz x2, #30, the end: once, at level 1
        0xf11f_f09f, // cmp x4, #0x7fc: a guest's memory
        0x5400_0081, // b.ne the end
        0xf940_0469, // ldr x9, [x3, #8]
        0x9148_0129, // add x9, x9, #2 MiB
        0xf900_0469, // str x9, [x3, #8]
    ];
    finds(gic, &shift, "hello: an address leads to memory that the Plan does not say, 0x40000000");
}
