//! Every system register by its number (Arm ARM C5): prints those that are not zero when a run
//! begins, then sets all bits of each that can be written, and resets the partition. What a run
//! leaves in a register is a difference between the lines of two runs.

use core::arch::asm;
use core::fmt;
use core::ops::Range;

use runtime::tree::Memory;
use runtime::{exceptions, fail, println, read_register};

use crate::frames;

// Instructions with op0 to op2 zero and x0 as the register.
const MRS: u32 = 0xd520_0000;
const MSR: u32 = 0xd500_0000;
const ISB: u32 = 0xd503_3fdf;
const RET: u32 = 0xd65f_03c0;

/// op0 to op2 of a register as one number, in the order of an instruction's bits 20:5.
type Number = u32;

const fn number(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> Number {
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

const ALL: Range<Number> = number(2, 0, 0, 0, 0)..number(4, 0, 0, 0, 0);

/// Registers that change by themselves.
#[rustfmt::skip]
const VARYING: [Number; 8] = [
    number(3, 3,  2, 4, 0), // RNDR, RNDRRS
    number(3, 3,  2, 4, 1),
    number(3, 3, 14, 0, 1), // CNTPCT_EL0, CNTVCT_EL0, CNTPCTSS_EL0, CNTVCTSS_EL0
    number(3, 3, 14, 0, 2),
    number(3, 3, 14, 0, 5),
    number(3, 3, 14, 0, 6),
    number(3, 3, 14, 2, 0), // CNTP_TVAL_EL0, CNTV_TVAL_EL0
    number(3, 3, 14, 3, 0),
];

/// Registers that this code depends on. Those of the first group are written last; the others only
/// mean something together with one of them, or belong to PSTATE, which a start sets.
#[rustfmt::skip]
const KEPT: [Number; 14] = [
    number(2, 0,  0, 2, 2), // MDSCR_EL1
    number(3, 0,  1, 0, 0), // SCTLR_EL1
    number(3, 0,  2, 0, 0), // TTBR0_EL1
    number(3, 0,  2, 0, 2), // TCR_EL1
    number(3, 0, 10, 2, 0), // MAIR_EL1
    number(3, 0, 12, 0, 0), // VBAR_EL1
    number(3, 0, 13, 0, 4), // TPIDR_EL1

    number(3, 0,  1, 0, 3), // SCTLR2_EL1
    number(3, 0,  2, 0, 3), // TCR2_EL1
    number(3, 0,  2, 5, 0), // GCSCR_EL1
    number(3, 0, 10, 2, 2), // PIRE0_EL1, PIR_EL1
    number(3, 0, 10, 2, 3),
    number(3, 0,  4, 2, 0), // SPSel
    number(3, 3,  4, 2, 1), // DAIF
];

/// The functions that are generated for each register, in instructions.
const READ: [u32; 2] = [MRS, RET];
const WRITE: [u32; 3] = [MSR, ISB, RET];

/// Prints and writes all registers, and resets the partition. The code that is generated for this
/// is in `memory`.
pub fn run(memory: Memory) -> ! {
    let reads = memory.base;
    let writes = generate(reads, &READ);
    let end = generate(writes, &WRITE);
    if end > memory.base + memory.size {
        fail!("the memory is too small");
    }
    clean(memory.base..end);
    println!("reborn: a run begins");
    let mut count = 0;
    for (index, number) in ALL.enumerate().filter(|(_, number)| !VARYING.contains(number)) {
        let value = call(reads + (index * READ.len() * 4) as u64, 0);
        count += u64::from(value.is_some());
        if let Some(value @ 1..) = value {
            println!("reborn: {} is {value:#x}", Name(number));
        }
    }
    println!("reborn: {count} registers can be read");
    frames::print();
    let mut count = 0;
    for (index, _) in ALL.enumerate().filter(|(_, number)| !KEPT.contains(number)) {
        let result = call(writes + (index * WRITE.len() * 4) as u64, u64::MAX);
        count += u64::from(result.is_some());
    }
    println!("reborn: {count} registers are written");
    frames::write();
    end_with_kept()
}

/// Generates the function for each register from `start` on, and returns the end.
fn generate(start: u64, function: &[u32]) -> u64 {
    let mut place = start as *mut u32;
    for number in ALL {
        for (index, instruction) in function.iter().enumerate() {
            let instruction = if index == 0 { instruction | number << 5 } else { *instruction };
            // SAFETY: memory that the tree names and nothing else uses; `run` checks the size, and
            // what is past its end is not mapped.
            unsafe { place.write_volatile(instruction) };
            place = place.wrapping_add(1);
        }
    }
    place as u64
}

/// Makes generated code visible to instruction fetches.
fn clean(code: Range<u64>) {
    let line = 4_u64 << (read_register!("ctr_el0") >> 16 & 0xf);
    for address in code.step_by(line as usize) {
        // SAFETY: cache maintenance of memory that nothing else uses.
        unsafe { asm!("dc cvau, {}", in(reg) address, options(nostack)) };
    }
    // SAFETY: only cache maintenance and barriers.
    unsafe { asm!("dsb ish", "ic ialluis", "dsb ish", "isb", options(nostack)) };
}

/// Calls the function that was generated at this address. Returns `None` if its access is
/// undefined.
fn call(address: u64, value: u64) -> Option<u64> {
    type Function = unsafe extern "C" fn(u64, u64) -> u64;
    // SAFETY: the instructions that `generate` has put there end in RET and use only x0; `KEPT` has
    // the registers that this program depends on.
    unsafe { exceptions::attempt(core::mem::transmute::<u64, Function>(address), value, 0) }.ok()
}

/// Sets all bits of the registers that this program depends on, the MMU's enable excepted, and
/// resets the partition (PSCI, DEN0022, 5.10).
fn end_with_kept() -> ! {
    // SAFETY: the runtime maps memory by identity, so the code continues with the MMU off; it uses
    // no memory, and takes no exception but that of the call, to EL2.
    unsafe {
        asm!(
            "msr daifset, #15",
            "msr sctlr_el1, {without_mmu}",
            "isb",
            "msr mdscr_el1, {ones}",
            "msr ttbr0_el1, {ones}",
            "msr tcr_el1, {ones}",
            "msr mair_el1, {ones}",
            "msr vbar_el1, {ones}",
            "msr tpidr_el1, {ones}",
            "isb",
            "hvc #0",
            "2: b 2b",
            without_mmu = in(reg) !1_u64,
            ones = in(reg) u64::MAX,
            in("x0") 0x8400_0009_u64,
            options(noreturn)
        )
    }
}

/// Prints a number in the syntax of the assembler.
struct Name(Number);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [op0, op1, crn, crm, op2] =
            [self.0 >> 14 & 3, self.0 >> 11 & 7, self.0 >> 7 & 15, self.0 >> 3 & 15, self.0 & 7];
        write!(f, "S{op0}_{op1}_C{crn}_C{crm}_{op2}")
    }
}
