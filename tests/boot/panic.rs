//! Panics of Bulkhead, by bugs that are planted in copies of the image: no guest and no user can
//! cause one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{
    Gic, Machine, PANICKED, compile_file, file, function, function_at, on_both_gics, patched,
};

on_both_gics!(
    fault_at_el2_is_reported_with_registers_and_a_backtrace,
    backtrace_has_the_callers,
    machine_resets_after_a_panic_on_request
);

const UDF: u32 = 0;

/// Returns the path of an image with an undefined instruction at the start of the function whose
/// mangled name ends with `name`, and the offset of that function.
fn image_with_a_bug_in(name: &str) -> (PathBuf, usize) {
    let offset = function(&[name]);
    (patched(&[(offset, &[UDF])]), offset)
}

fn fault_at_el2_is_reported_with_registers_and_a_backtrace(gic: Gic) {
    // The function handles traps of a guest.
    let (image, offset) = image_with_a_bug_in("3el24trap7vectors4call");
    let outcome = Machine::new(gic).kernel(&image).boot();
    outcome.expect_status(PANICKED);
    outcome
        .expect_line("bulkhead", "panic on CPU")
        .expect_line("bulkhead", "synchronous exception at EL2");
    let is_printed = |text: &str| outcome.lines().0.iter().any(|line| line.contains(text));
    for text in ["esr 0x", "far 0x", "x0 ", "x30", &format!("image offset {offset:#x}")] {
        outcome.check(is_printed(text), &format!("the panic does not print `{text}`"));
    }
}

fn backtrace_has_the_callers(gic: Gic) {
    // The guest powers itself off.
    let (image, offset) = image_with_a_bug_in("9Partition9begin_end");
    let outcome = Machine::new(gic).kernel(&image).boot();
    outcome.expect_status(PANICKED);
    let lines = outcome.lines().0;
    let offsets = lines.iter().filter_map(|line| line.split("image offset 0x").nth(1));
    let offsets: Vec<_> =
        offsets.map(|it| u64::from_str_radix(it.trim(), 16).expect("a number")).collect();
    outcome.check(
        offsets.first() == Some(&(offset as u64)),
        "the first line is not where it happened",
    );
    let callers: Vec<_> = offsets.iter().skip(1).map(|&offset| function_at(offset)).collect();
    let call = callers.iter().position(|name| name.contains("3el24trap"));
    let vectors = callers.iter().position(|name| name == "other_call");
    outcome.check(
        call.is_some() && call < vectors,
        &format!("the calls that led there are not among {callers:?}"),
    );
}

/// Expects that the machine boots again after a panic.
fn expect_reset(machine: Machine, image: &Path) {
    let machine = machine.kernel(image).command_line("panic=reset");
    let machine = machine.option("-action", "reboot=reset");
    let outcome = machine.kill_after("panic on CPU", Duration::from_secs(3)).boot();
    let starts = outcome.of("bulkhead").containing("Bulkhead ").0.len();
    outcome.check(starts > 1, &format!("the machine started {starts} times"));
}

fn machine_resets_after_a_panic_on_request(gic: Gic) {
    let (image, _) = image_with_a_bug_in("3el24trap7vectors4call");
    expect_reset(Machine::new(gic), &image);
}

#[test]
fn raspberry_pi_resets_after_a_panic_by_its_watchdog() {
    let (image, _) = image_with_a_bug_in("3el24trap7vectors4call");
    let description = compile_file(&file("dts/hello.dts"));
    expect_reset(Machine::raspberry_pi(&description), &image);
}
