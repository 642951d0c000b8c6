//! Reads its disks, and tries what it must not do with those that it cannot write.
//!
//! Command line:
//!
//! - `keep=NAME`: counts its lives at the start of that disk, and resets itself until the third.
//! - `attack=NAME`: tries to change and to execute that disk in every way.
//! - `rounds=N`: sums each disk this often (1), and expects the same sum each time.

#![no_std]
#![no_main]

use core::arch::asm;

use runtime::exceptions::{Fault, attempt};
use runtime::gic::Interrupt;
use runtime::tree::{Disk, machine};
use runtime::{fail, println, psci, read_register, timer};

runtime::guest!(main, interrupt);

/// The number of lives that it counts.
const LIVES: u64 = 3;

/// A way of accessing an address, which may end in an exception.
type Access = unsafe extern "C" fn(u64, u64) -> u64;

/// The ways of changing memory, with their names.
const WRITES: [(&str, Access); 6] = [
    ("str", store),
    ("strb", store_byte),
    ("stp", store_pair),
    ("str with write-back", store_with_write_back),
    ("stxr", store_exclusive),
    ("dc zva", zero),
];

fn main() {
    for disk in machine().disks() {
        let Disk { name, memory } = disk;
        println!("disk: {name} at {:#x}, {} bytes: {:#x}", memory.base, memory.size, sum(disk));
    }
    if let Some(name) = machine().argument("attack") {
        attack(disk(name));
    }
    let first = machine().disks().iter().map(sum).fold(0, u64::wrapping_add);
    for round in 1..machine().number("rounds").unwrap_or(1) {
        let start = timer::now();
        if machine().disks().iter().map(sum).fold(0, u64::wrapping_add) != first {
            fail!("a disk has changed in round {round}");
        }
        while timer::now() - start < timer::microseconds(10_000) {}
    }
    if let Some(name) = machine().argument("keep") {
        keep(disk(name));
    }
    println!("disk: done");
}

fn interrupt(_: Interrupt) {}

/// Returns the disk of this name.
fn disk(name: &str) -> &'static Disk {
    let disk = machine().disks().iter().find(|disk| disk.name == name);
    disk.unwrap_or_else(|| fail!("there is no disk {name}"))
}

/// Returns a sum in which each word and its place count.
fn sum(disk: &Disk) -> u64 {
    let mut sum = 0_u64;
    for address in (disk.memory.base..disk.memory.base + disk.memory.size).step_by(8) {
        // SAFETY: the tree says that the disk is memory, which the runtime has mapped. Another
        // guest must not write it, but this one checks that, so the read is volatile.
        let word = unsafe { (address as *const u64).read_volatile() };
        sum = sum.rotate_left(7) ^ word;
    }
    sum
}

/// Counts a life at the start of a disk.
fn keep(disk: &Disk) {
    let place = disk.memory.base as *mut u64;
    // SAFETY: as in `sum`; the disk is this guest's own.
    let life = unsafe { place.read_volatile() } + 1;
    println!("disk: {} has seen life {life}", disk.name);
    // SAFETY: as above.
    unsafe { place.write_volatile(life) };
    if life < LIVES {
        psci::system_reset();
    }
}

/// Expects an external abort for each way of changing a disk, at its start, middle and end, and of
/// executing it, and that its bytes are the same afterwards.
fn attack(disk: &Disk) {
    let before = sum(disk);
    let (base, size) = (disk.memory.base, disk.memory.size);
    let mut count = 0;
    for address in [base, base + size / 2, base + size - 64] {
        for (name, write) in WRITES {
            // SAFETY: the disk is nothing that this program uses, and the functions have nothing to
            // drop.
            expect_abort(name, unsafe { attempt(write, address, 0) }, DATA_ABORT | WRITE);
            count += 1;
        }
        if read_register!("id_aa64isar0_el1") >> 20 & 0xf != 0 {
            // SAFETY: as above.
            expect_abort("ldadd", unsafe { attempt(add, address, 0) }, DATA_ABORT | WRITE);
            count += 1;
        }
        // SAFETY: as above; what is executed, if it is, does not return.
        expect_abort("fetch", unsafe { attempt(jump, address, 0) }, INSTRUCTION_ABORT);
        count += 1;
    }
    if sum(disk) != before {
        fail!("the disk {} has changed", disk.name);
    }
    println!("disk: {count} attacks on {} were refused, it has not changed", disk.name);
}

/// ESR_EL1.EC of a data abort and of an instruction abort without a change of the exception level.
const DATA_ABORT: u64 = 0x25 << 26;
const INSTRUCTION_ABORT: u64 = 0x21 << 26;
/// ISS.WnR.
const WRITE: u64 = 1 << 6;
/// ISS.DFSC: a synchronous external abort.
const EXTERNAL: u64 = 0x10;

/// Fails unless the access has caused an external abort of this class and direction.
fn expect_abort(name: &str, result: Result<u64, Fault>, what: u64) {
    match result {
        Ok(_) => fail!("{name} was not refused"),
        Err(Fault { esr, .. }) if esr & (0x3f << 26 | WRITE | 0x3f) == what | EXTERNAL => {}
        Err(Fault { esr, elr, .. }) => fail!("{name}: ESR {esr:#x} at {elr:#x}"),
    }
}

/// Defines functions that access an address as these instructions do, with x1 for a value.
macro_rules! accesses {
    ($($name:ident: $($line:literal),+;)+) => {$(
        unsafe extern "C" fn $name(address: u64, value: u64) -> u64 {
            // SAFETY: guaranteed by the caller.
            unsafe {
                asm!($($line),+, inout("x0") address => _, inout("x1") value => _, out("x2") _,
                    out("x3") _, out("x30") _, options(nostack));
            }
            0
        }
    )+};
}

accesses! {
    store: "str x1, [x0]";
    store_byte: "strb w1, [x0, #3]";
    store_pair: "stp x1, x1, [x0]";
    store_with_write_back: "str x1, [x0, #8]!";
    store_exclusive: "ldxr x2, [x0]", "mvn x2, x2", "stxr w3, x2, [x0]";
    zero: "dc zva, x0";
    add: ".arch_extension lse", "mov x1, #1", "ldadd x1, x2, [x0]", ".arch_extension nolse";
    jump: "blr x0";
}
