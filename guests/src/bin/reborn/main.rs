//! Searches for data of an earlier run of its partition, leaves as much as it can for the next one,
//! and ends.
//!
//! Command line: `end=off` powers off (the default), `end=reset` resets, `end=spin` loops with
//! interrupts masked. `registers` prints every register at the start of a run, writes every one,
//! and resets. `mitigation` checks and turns off that of SMCCC_ARCH_WORKAROUND_2, on a machine with
//! the firmware of the tests, which returns its state.

#![no_std]
#![no_main]

mod frames;
mod registers;
mod tags;

use core::arch::asm;
use core::hint::black_box;

use runtime::gic::{self, Interrupt, Target};
use runtime::tree::{Memory, machine};
use runtime::{cpu, fail, pl011, println, psci, read_register, timer, write_register};

runtime::guest!(main, interrupt);

/// The SGI that is left active, and the one that is left pending.
const ACTIVE: u32 = 3;
const PENDING: u32 = 5;
const LEFT_IN_REGISTERS: u64 = 0x0bad_c0de_0bad_c0dc;
/// All claim tags (DBGCLAIMSET_EL1.CLAIM).
const CLAIM_TAGS: u64 = 0xff;

fn main() {
    let memory = middle_half();
    if machine().argument("registers").is_some() {
        registers::run(memory);
    }
    if machine().argument("mitigation").is_some() {
        check_mitigation();
    }
    let words = search(memory);
    let has_tags = tags::enable();
    if has_tags {
        let granules = tags::search(memory);
        println!("reborn: no tag of an earlier run on {granules} granules");
    }
    check_interrupts();
    check_registers();
    println!("reborn: nothing of an earlier run in {words} words, the interrupts, the registers");
    fill(memory);
    if has_tags {
        tags::set(memory);
    }
    leave_registers();
    leave_interrupts();
    match machine().argument("end") {
        None | Some("off") => {}
        Some("reset") => psci::system_reset(),
        Some("spin") => {
            println!("reborn: spinning");
            cpu::mask_interrupts();
            loop {
                core::hint::spin_loop();
            }
        }
        Some(other) => fail!("end={other} is unknown"),
    }
}

/// Checks that the mitigation of speculative store bypass is on, and turns it off.
fn check_mitigation() {
    const SMCCC_ARCH_WORKAROUND_2: u64 = 0x8000_7fff;
    let [previous, ..] = psci::call(SMCCC_ARCH_WORKAROUND_2, [0; 6]);
    if previous != 1 {
        fail!("the mitigation is in state {previous:#x} already");
    }
}

/// Returns the half of the memory between the image and the tree, which are at its ends.
fn middle_half() -> Memory {
    let Some(all) = machine().memory().first() else { fail!("the tree has no memory") };
    Memory { base: all.base + all.size / 4, size: all.size / 2 }
}

/// Returns the value that is left at an address, which no compiler generates.
fn pattern(address: u64) -> u64 {
    black_box(0x5ca1_ab1e_7a11_ca5e) ^ address.rotate_left(17)
}

fn words(memory: Memory) -> impl Iterator<Item = *mut u64> {
    (memory.base..memory.base + memory.size).step_by(8).map(|address| address as *mut u64)
}

fn search(memory: Memory) -> u64 {
    let mut count = 0;
    for word in words(memory) {
        // SAFETY: memory that the tree names and nothing else uses.
        let value = unsafe { word.read_volatile() };
        if value == pattern(word as u64) {
            fail!("a word of an earlier run at {word:p}");
        }
        count += 1;
    }
    count
}

fn fill(memory: Memory) {
    for word in words(memory) {
        // SAFETY: as in `search`.
        unsafe { word.write_volatile(pattern(word as u64)) };
    }
}

fn check_interrupts() {
    for intid in 0..64 {
        for (register, what) in [(gic::ISPENDR, "pending"), (gic::ISACTIVER, "active")] {
            if gic::bit(register, intid) {
                fail!("interrupt {intid} is {what} already");
            }
        }
    }
    if gic::bit(gic::ISENABLER, machine().uart_interrupt) {
        fail!("the UART's interrupt is enabled already");
    }
    cpu::unmask_interrupts();
    timer::within(timer::microseconds(100), || false);
    cpu::mask_interrupts();
    if pl011::get().is_some() {
        fail!("the UART has a byte already");
    }
}

fn check_registers() {
    write_register!("cpacr_el1", 0b11 << 20);
    let vector: u64;
    // SAFETY: reads a vector register, which CPACR_EL1 permits.
    unsafe {
        asm!(".arch_extension fp", "fmov {}, d31", ".arch_extension nofp", out(reg) vector);
    }
    for (name, value) in [
        ("tpidr_el0", read_register!("tpidr_el0")),
        ("tpidrro_el0", read_register!("tpidrro_el0")),
        ("contextidr_el1", read_register!("contextidr_el1")),
        ("dbgbvr0_el1", read_register!("dbgbvr0_el1")),
        ("dbgwvr0_el1", read_register!("dbgwvr0_el1")),
        // Reads the claim tags.
        ("dbgclaimclr_el1", read_register!("dbgclaimclr_el1")),
        ("osdlr_el1", read_register!("osdlr_el1")),
        ("cntv_cval_el0", read_register!("cntv_cval_el0")),
        ("d31", vector),
    ] {
        if value != 0 {
            fail!("{name} holds {value:#x} already");
        }
    }
}

fn leave_registers() {
    write_register!("tpidr_el0", LEFT_IN_REGISTERS);
    write_register!("tpidrro_el0", LEFT_IN_REGISTERS);
    write_register!("contextidr_el1", LEFT_IN_REGISTERS >> 32);
    write_register!("dbgbvr0_el1", LEFT_IN_REGISTERS);
    write_register!("dbgwvr0_el1", LEFT_IN_REGISTERS & !7);
    write_register!("dbgclaimset_el1", CLAIM_TAGS);
    if read_register!("dbgclaimclr_el1") != CLAIM_TAGS {
        fail!("the claim tags cannot be set");
    }
    // OSDLR_EL1.DLK, which is RES0 without FEAT_DoubleLock.
    write_register!("osdlr_el1", 1);
    // SAFETY: changes a vector register that nothing uses.
    unsafe {
        asm!(".arch_extension fp", "fmov d31, {}", ".arch_extension nofp",
            in(reg) LEFT_IN_REGISTERS);
    }
}

/// Leaves one SGI active, one SGI pending, and the interrupts of the timer and the UART pending.
fn leave_interrupts() {
    gic::enable(ACTIVE);
    gic::enable(PENDING);
    gic::send(ACTIVE, Target::Own);
    if !timer::within(timer::microseconds(1_000_000), || gic::acknowledge().is_some()) {
        fail!("the SGI to itself did not arrive");
    }
    gic::send(PENDING, Target::Own);
    gic::enable(machine().uart_interrupt);
    gic::set_bit(gic::ISPENDR, machine().uart_interrupt);
    gic::enable(machine().virtual_timer);
    timer::arm_after(0);
}

fn interrupt(interrupt: Interrupt) {
    fail!("interrupt {} is of an earlier run", interrupt.intid);
}
