//! A bug of Bulkhead: planted in a copy of the image, since nothing that a guest or a user does
//! should lead to one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{
    Gic, Machine, PANICKED, compile_file, file, function, function_at, on_both_gics, patched,
};

on_both_gics!(
    a_fault_at_el2_is_told_with_registers_and_a_backtrace,
    a_backtrace_tells_who_called,
    the_machine_starts_again_if_it_is_asked_to
);

const UDF: u32 = 0;

/// The image with an undefined instruction at the start of the function whose symbol ends so, and
/// that function's offset.
fn image_with_a_bug_in(name: &str) -> (PathBuf, usize) {
    let offset = function(&[name]);
    (patched(&[(offset, &[UDF])]), offset)
}

fn a_fault_at_el2_is_told_with_registers_and_a_backtrace(gic: Gic) {
    // What every trap of a guest comes through.
    let (image, offset) = image_with_a_bug_in("3el24trap4call");
    let outcome = Machine::new(gic).kernel(&image).boot();
    outcome.ends_with(PANICKED);
    outcome.says("bulkhead", "panic on CPU").says("bulkhead", "synchronous exception at EL2");
    let told = |text: &str| outcome.lines().0.iter().any(|line| line.contains(text));
    for text in ["esr 0x", "far 0x", "x0 ", "x30", &format!("image offset {offset:#x}")] {
        outcome.check(told(text), &format!("the panic does not tell `{text}`"));
    }
}

fn a_backtrace_tells_who_called(gic: Gic) {
    // The guest switches itself off.
    let (image, offset) = image_with_a_bug_in("9Partition9begin_end");
    let outcome = Machine::new(gic).kernel(&image).boot();
    outcome.ends_with(PANICKED);
    let lines = outcome.lines().0;
    let told = lines.iter().filter_map(|line| line.split("image offset 0x").nth(1));
    let told: Vec<_> =
        told.map(|it| u64::from_str_radix(it.trim(), 16).expect("a number")).collect();
    outcome
        .check(told.first() == Some(&(offset as u64)), "the first line is not where it happened");
    let callers: Vec<_> = told.iter().skip(1).map(|&offset| function_at(offset)).collect();
    let call = callers.iter().position(|name| name.ends_with("3el25calls4call"));
    let vectors = callers.iter().position(|name| name == "other_call");
    outcome.check(
        call.is_some() && call < vectors,
        &format!("the calls that led there are not among {callers:?}"),
    );
}

/// The machine boots again and again, until its plug is pulled.
fn starts_again(machine: Machine, image: &Path) {
    let machine = machine.kernel(image).command_line("panic=reset");
    let machine = machine.option("-action", "reboot=reset");
    let outcome = machine.unplug_after("panic on CPU", Duration::from_secs(3)).boot();
    let starts = outcome.of("bulkhead").with("Bulkhead ").0.len();
    outcome.check(starts > 1, &format!("the machine started {starts} times"));
}

fn the_machine_starts_again_if_it_is_asked_to(gic: Gic) {
    let (image, _) = image_with_a_bug_in("3el24trap4call");
    starts_again(Machine::new(gic), &image);
}

#[test]
fn a_raspberry_pi_starts_again_by_its_watchdog() {
    let (image, _) = image_with_a_bug_in("3el24trap4call");
    let tree = file("target/linux/bcm2711-rpi-4-b.dtb");
    let description = compile_file(&file("dts/hello.dts"));
    starts_again(Machine::raspberry_pi(image.clone(), &tree, &description), &image);
}
