//! The audit of the translation tables: its line in the report, and the bugs that it finds, which
//! are planted in copies of the image.

use std::path::{Path, PathBuf};

use common::{
    Gic, Machine, PANICKED, Partition, REFUSED, branch, compile, function, instruction,
    on_both_gics, patched, source,
};

on_both_gics!(
    the_report_has_the_result_of_the_audit,
    el2_memory_both_writable_and_executable_is_found,
    guest_memory_at_a_wrong_address_is_found,
    unused_code_that_stays_mapped_is_found,
    window_onto_wrong_memory_is_found,
    images_that_stay_mapped_are_found,
    window_that_is_not_closed_is_found,
);

fn the_report_has_the_result_of_the_audit(gic: Gic) {
    let outcome = Machine::new(gic).boot();
    outcome.expect_success();
    // Two partitions of 16 MiB and, on GICv2, a page of the CPU interface for each.
    let pages = if gic == Gic::V2 { "8,194" } else { "8,192" };
    let line = format!("audit       {pages} pages in ");
    outcome.expect_line("bulkhead", &line);
    outcome.expect_line("bulkhead", " tables of 2 partitions: each has one owner");
}

/// Returns an image in which the instructions `bug` run before the function that fills tables:
/// `Tables::fill`, with the size of an entry in x2, the addresses of the run at x3, and the
/// attributes of a leaf in x4.
#[track_caller]
pub fn with_bug(bug: &[u32]) -> PathBuf {
    let fill = function(&["6tables", "6Tables", "4fill"]);
    // Only panics call this function, so its code can be replaced.
    let room = function(&["6tables", "8MapError", "5Debug3fmt"]);
    let back = branch(room + 4 * (bug.len() + 1), fill + 4);
    let detour = [bug, &[instruction(fill), back]].concat();
    assert!(detour.len() <= 14, "there is no room for the bug");
    patched(&[(fill, &[branch(fill, room)]), (room, &detour)])
}

/// Boots an image with such a bug, and expects that the audit finds `what`.
#[track_caller]
fn expect_finding(gic: Gic, bug: &[u32], what: &str) {
    expect_finding_in(gic, &with_bug(bug), what);
}

/// Boots an image and expects that the audit finds `what`.
#[track_caller]
fn expect_finding_in(gic: Gic, image: &Path, what: &str) {
    let outcome = Machine::new(gic).kernel(image).boot();
    outcome.expect_status(REFUSED).expect_line("bulkhead", "no guest was started");
    let refusal = format!("refused: the audit of the translation tables, {what}");
    outcome.expect_line("bulkhead", &refusal);
    outcome.check(outcome.of("hello").is_empty(), "a guest ran");
}

fn el2_memory_both_writable_and_executable_is_found(gic: Gic) {
    #[rustfmt::skip]
    let executable = [
        0x3718_0044, // tbnz x4, #3, the end: a window
        0x9249_f884, // and x4, x4, #~(1 << 54); SCTLR_EL2.WXN keeps it from being executed
    ];
    expect_finding(gic, &executable, "EL2: memory is both written and executed");
}

/// Shifts the memory of a partition by 2 MiB, so that its end is the start of the next partition.
fn guest_memory_at_a_wrong_address_is_found(gic: Gic) {
    #[rustfmt::skip]
    let shift = [
        0x36f0_00c2, // tbz x2, #30, the end: once, at level 1
        0xf11f_f09f, // cmp x4, #0x7fc: a guest's memory
        0x5400_0081, // b.ne the end
        0xf940_0469, // ldr x9, [x3, #8]
        0x9148_0129, // add x9, x9, #2 MiB
        0xf900_0469, // str x9, [x3, #8]
    ];
    expect_finding(
        gic,
        &shift,
        "hello: an address leads to memory that the Plan does not say, 0x40000000",
    );
}

/// The function that unmaps code returns at once, so the monitor's code stays mapped although the
/// description does not use it.
fn unused_code_that_stays_mapped_is_found(gic: Gic) {
    let image = patched(&[(function(&["2mm4live5unmap"]), &[RET])]);
    expect_finding_in(gic, &image, "EL2: memory is executed that is not code");
}

/// Shifts what a window onto a partition's memory maps by 2 MiB.
fn window_onto_wrong_memory_is_found(gic: Gic) {
    #[rustfmt::skip]
    let shift = [
        0x36f0_00c2, // tbz x2, #30, the end: once, at level 1
        0xb6b0_00a4, // tbz x4, #54, the end: memory that is not executed
        0x3618_0084, // tbz x4, #3, the end: with allocation tags
        0xf940_0469, // ldr x9, [x3, #8]
        0x9148_0129, // add x9, x9, #2 MiB
        0xf900_0469, // str x9, [x3, #8]
    ];
    let what = "EL2's window: an address leads to memory that the Plan does not say, 0x4";
    expect_finding(gic, &shift, what);
}

const RET: u32 = 0xd65f_03c0;

/// The function that unmaps the images from their own addresses returns at once.
fn images_that_stay_mapped_are_found(gic: Gic) {
    let image = patched(&[(function(&["3mmu", "12unmap_memory"]), &[RET])]);
    let description = compile(&source(&[Partition::new("hello", "hello")]));
    let outcome = Machine::new(gic).kernel(&image).initrd(&description).boot();
    outcome.expect_status(REFUSED).expect_line("bulkhead", "memory is reached that must be closed");
}

/// The function that closes a window returns at once, so that the next one finds it open.
fn window_that_is_not_closed_is_found(gic: Gic) {
    let image = patched(&[(function(&["6window", "6Window", "4drop"]), &[RET])]);
    let outcome = Machine::new(gic).kernel(&image).boot();
    outcome.expect_status(PANICKED).expect_line("bulkhead", "a window is open already");
    outcome.check(outcome.of("hello").is_empty(), "a guest ran");
}
