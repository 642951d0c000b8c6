//! The boot of several partitions at once.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::{Gic, Machine, Partition, compile, scratch, source};

/// The entry of a flat kernel.
const ENTRY: u64 = 0x4008_0000;
/// Where QEMU loads Bulkhead.
pub const LOAD_ADDRESS: u64 = 0x4020_0000;
/// A size that Bulkhead's code does not exceed, in bytes.
const CODE_SIZE: u64 = 0x20_0000;
/// The size of the kernel: large, so that copying it takes most of the time.
pub const KERNEL_BYTES: usize = 512 << 10;

/// Returns how many instructions each CPU executes at EL2 before its guest's first, with this
/// number of partitions (at most four) of one CPU each, on a machine with four CPUs.
pub fn instructions(gic: Gic, partitions: usize) -> Vec<u64> {
    boot(gic, partitions, 4, KERNEL_BYTES)
}

/// Returns how many instructions the boot CPU executes at EL2 before its guest's first, with this
/// number of partitions of one CPU each, whose kernels are a page, and one CPU more.
pub fn on_boot_cpu(gic: Gic, partitions: usize) -> u64 {
    boot(gic, partitions, partitions + 1, 4 << 10)[0]
}

/// Returns how many instructions each CPU with a guest executes at EL2 before its guest's first.
/// The numbers are those of QEMU's log of executed instructions. With `-icount` CPUs run in turns,
/// and one that waits gives up its turn, so that few of the instructions are spent waiting.
fn boot(gic: Gic, partitions: usize, cpus: usize, kernel_bytes: usize) -> Vec<u64> {
    let kernel = scratch("bin");
    #[rustfmt::skip]
    let code: [u32; 3] = [
        0x5280_0100, // mov w0, #8
        0x72b0_8000, // movk w0, #0x8400, lsl #16: PSCI SYSTEM_OFF
        0xd400_0002, // hvc #0
    ];
    let mut bytes: Vec<u8> = code.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.resize(kernel_bytes, 0);
    fs::write(&kernel, bytes).expect("the tests' directory can be written");
    let kernel = kernel.to_str().expect("paths are UTF-8");
    let guest = |number| Partition::with_kernel(&format!("guest{number}"), kernel);
    let guests: Vec<_> = (0..partitions).map(guest).collect();
    let log = scratch("executed.log");
    let machine = Machine::new(gic).cpus(cpus).initrd(&compile(&source(&guests)));
    let machine = machine.counting_instructions();
    let machine = machine.option("-accel", "tcg,one-insn-per-tb=on").option("-d", "exec,nochain");
    let filter = format!("{ENTRY:#x}+4,{LOAD_ADDRESS:#x}+{CODE_SIZE:#x}");
    machine.option("-dfilter", filter).option("-D", log.display()).boot().expect_success();
    let counts = count(&log, partitions);
    fs::remove_file(&log).expect("the log is there");
    counts
}

/// Counts the lines of the first CPUs before their guests' first:
/// `Trace CPU: HOST [BASE/PC/FLAGS/FLAGS]`.
fn count(log: &Path, cpus: usize) -> Vec<u64> {
    let mut counts = vec![0; cpus];
    let mut is_there = vec![false; cpus];
    for line in BufReader::new(File::open(log).expect("QEMU has written it")).lines() {
        let line = line.expect("the log is text");
        let mut fields = line.split([' ', ':', '/']).filter(|field| !field.is_empty());
        let (Some("Trace"), Some(cpu)) = (fields.next(), fields.next()) else { continue };
        let cpu: usize = cpu.parse().expect("a CPU has a number");
        if cpu >= cpus {
            continue;
        }
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

/// Returns how many more instructions the last of four partitions takes to start than a single one.
pub fn last_of_four(gic: Gic) -> u64 {
    let [alone, together] = [1, 4].map(|partitions| instructions(gic, partitions));
    let last = together.iter().max().expect("there are four");
    last.saturating_sub(alone[0])
}
