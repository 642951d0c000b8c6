//! Partitions are built at once, each by its own first CPU.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};

use crate::support::{Gic, Machine, Partition, compile, on_both_gics, scratch, system};

on_both_gics!(four_partitions_take_hardly_longer_than_one);

/// A flat kernel starts here.
const ENTRY: u64 = 0x4008_0000;
/// Where QEMU puts Bulkhead, and no less than its code takes.
const EL2: (u64, u64) = (0x4020_0000, 0x20_0000);
/// Much to copy.
const KERNEL_BYTES: usize = 512 << 10;

/// How many instructions each CPU has executed at EL2 when its first guest instruction comes, as
/// QEMU's own log of executed instructions has it. With `-icount` CPUs run in turns, and one that
/// waits gives its turn away, so that little of this is waiting.
fn instructions(gic: Gic, names: &[&str]) -> Vec<u64> {
    let kernel = scratch("bin");
    #[rustfmt::skip]
    let code: [u32; 3] = [
        0x5280_0100, // mov w0, #8
        0x72b0_8000, // movk w0, #0x8400, lsl #16: PSCI's SYSTEM_OFF
        0xd400_0002, // hvc #0
    ];
    let mut bytes: Vec<u8> = code.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.resize(KERNEL_BYTES, 0);
    fs::write(&kernel, bytes).expect("the tests' directory can be written");
    let kernel = kernel.to_str().expect("paths are UTF-8");
    let partitions: Vec<_> =
        names.iter().map(|name| Partition::with_kernel(name, kernel)).collect();
    let log = scratch("executed.log");
    let machine = Machine::new(gic).initrd(&compile(&system(&partitions))).counting_instructions();
    let machine = machine.option("-accel", "tcg,one-insn-per-tb=on").option("-d", "exec,nochain");
    let filter = format!("{ENTRY:#x}+4,{:#x}+{:#x}", EL2.0, EL2.1);
    machine.option("-dfilter", filter).option("-D", log.display()).boot().ends_well();
    let counts = count(&log, names.len());
    fs::remove_file(&log).expect("the log is there");
    counts
}

/// The lines of each CPU before its guest's first: `Trace CPU: HOST [BASE/PC/FLAGS/FLAGS]`.
fn count(log: &std::path::Path, cpus: usize) -> Vec<u64> {
    let mut counts = vec![0; cpus];
    let mut is_there = vec![false; cpus];
    for line in BufReader::new(File::open(log).expect("QEMU has written it")).lines() {
        let line = line.expect("the log is text");
        let mut fields = line.split([' ', ':', '/']).filter(|field| !field.is_empty());
        let (Some("Trace"), Some(cpu)) = (fields.next(), fields.next()) else { continue };
        let cpu: usize = cpu.parse().expect("a CPU has a number");
        let pc = fields.nth(2).and_then(|pc| u64::from_str_radix(pc, 16).ok());
        if pc.expect("it says which instruction") == ENTRY {
            is_there[cpu] = true;
        } else if !is_there[cpu] {
            counts[cpu] += 1;
        }
    }
    assert!(is_there.iter().all(|is_there| *is_there), "not every guest has started: {counts:?}");
    counts
}

fn four_partitions_take_hardly_longer_than_one(gic: Gic) {
    let alone = instructions(gic, &["north"])[0];
    let together = instructions(gic, &["north", "east", "south", "west"]);
    println!("to the guest's first instruction: {alone} alone, {together:?} of four");
    let slowest = *together.iter().max().expect("there are four");
    assert!(slowest <= alone + alone / 4, "{together:?}, more than 5/4 of {alone}");
    // The others have built their partitions themselves: copied them, at the least.
    for own in &together[1..] {
        assert!(*own >= KERNEL_BYTES as u64 / 16, "{together:?}");
    }
}
