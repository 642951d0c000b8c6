//! Self-hosted debug: breakpoint, watchpoint and single step at EL1 (Arm ARM D2).

use runtime::exceptions::{Fault, attempt};
use runtime::{read_register, write_register};

use crate::report::{in_partition, report};

/// OSLSR_EL1.OSLK.
const LOCKED: u64 = 1 << 1;
/// MDSCR_EL1: SS, HDE, KDE and MDE.
const SINGLE_STEP: u64 = 1;
const HALTING: u64 = 1 << 14;
const KERNEL: u64 = 1 << 13;
const MONITOR: u64 = 1 << 15;

/// DBGBCR and DBGWCR: enabled at EL1 only; all four bytes of an instruction.
const AT_EL1: u64 = 1 << 1 | 1;
const INSTRUCTION: u64 = 0xf << 5;
/// DBGWCR: loads and stores, all eight bytes.
const ANY_ACCESS: u64 = 0b11 << 3 | 0xff << 5;

const BREAKPOINT: u64 = 0x31;
const STEP: u64 = 0x33;
const WATCHPOINT: u64 = 0x35;
const BRK: u64 = 0x3c;
const UNKNOWN_REASON: u64 = 0;

/// Runs the checks.
pub fn check() {
    write_register!("oslar_el1", 1);
    if in_partition() {
        // The lock stays open, so that HDE is not writable, on a board; QEMU does not model this.
        report("os-lock", read_register!("oslsr_el1"), 1 << 3);
        unsafe extern "C" fn hlt(_: u64, _: u64) -> u64 {
            // SAFETY: HLT raises an exception, or halts the CPU for good.
            unsafe { core::arch::asm!("hlt #0", options(nostack)) };
            0
        }
        write_register!("mdscr_el1", HALTING);
        report("hlt", caught(hlt, 0).map(|fault| fault.class()), Some(UNKNOWN_REASON));
    } else {
        report("os-lock", read_register!("oslsr_el1") & LOCKED, LOCKED);
        write_register!("oslar_el1", 0);
        report("os-unlock", read_register!("oslsr_el1") & LOCKED, 0);
    }

    unsafe extern "C" fn brk(_: u64, _: u64) -> u64 {
        // SAFETY: BRK raises an exception and does nothing else.
        unsafe { core::arch::asm!("brk #7", options(nostack)) };
        0
    }
    report("brk", caught(brk, 0).map(|fault| (fault.class(), fault.esr & 0xffff)), Some((BRK, 7)));

    let target = landing as *const () as u64;
    write_register!("mdscr_el1", KERNEL | MONITOR);
    write_register!("dbgbvr0_el1", target);
    write_register!("dbgbcr0_el1", AT_EL1 | INSTRUCTION);
    let breakpoint = caught(landing, 0).map(|fault| (fault.class(), fault.elr));
    write_register!("dbgbcr0_el1", 0);
    report("breakpoint", breakpoint, Some((BREAKPOINT, target)));

    let watched = 0_u64;
    let address = &raw const watched as u64;
    write_register!("dbgwvr0_el1", address);
    write_register!("dbgwcr0_el1", AT_EL1 | ANY_ACCESS);
    let watchpoint = caught(load, address).map(|fault| (fault.class(), fault.far));
    write_register!("dbgwcr0_el1", 0);
    report("watchpoint", watchpoint, Some((WATCHPOINT, address)));

    let step = caught(begin_step, 0).map(|fault| fault.class());
    write_register!("mdscr_el1", 0);
    report("single-step", step, Some(STEP));
}

/// Returns the exception that ends `function`, with debug exceptions unmasked meanwhile.
fn caught(function: unsafe extern "C" fn(u64, u64) -> u64, argument: u64) -> Option<Fault> {
    // SAFETY: debug exceptions end the attempt.
    unsafe { core::arch::asm!("msr daifclr, #8", options(nostack)) };
    // SAFETY: the functions of this file have nothing to drop.
    let result = unsafe { attempt(function, argument, 0) };
    // SAFETY: no code relies on debug exceptions.
    unsafe { core::arch::asm!("msr daifset, #8", options(nostack)) };
    result.err()
}

#[inline(never)]
unsafe extern "C" fn landing(value: u64, _: u64) -> u64 {
    value
}

unsafe extern "C" fn load(address: u64, _: u64) -> u64 {
    // SAFETY: the caller passes the address of a live variable.
    unsafe { runtime::mmio::read64(address) }
}

unsafe extern "C" fn begin_step(_: u64, _: u64) -> u64 {
    write_register!("mdscr_el1", KERNEL | MONITOR | SINGLE_STEP);
    0
}
