//! Executes an instruction that another CPU changes all the time, so that a hypervisor that reads it
//! after the trap finds another one.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::transmute;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use runtime::exceptions::attempt;
use runtime::tree::machine;
use runtime::{fail, println, secondary};

use crate::sites::IDENTIFICATION;
use crate::{DATA_ABORT, EXTERNAL, passed};

/// The number of times that the instruction is executed.
const TRIES: u32 = 20_000;
/// RET.
const RET: u32 = 0xd65f_03c0;
/// The instructions: all access read-only registers from x0 on, or nothing.
const INSTRUCTIONS: [u32; 6] = [
    0xb840_4401, // ldr w1, [x0], #4
    0xb800_4401, // str w1, [x0], #4
    0x2941_0801, // ldp w1, w2, [x0, #8]
    0xb840_0001, // ldur w1, [x0]
    0x3c81_0400, // str q0, [x0], #16
    0xd503_201f, // nop
];

/// A function of one instruction. Memory is writable and executable.
#[repr(align(64))]
struct Code(UnsafeCell<[AtomicU32; 2]>);

// SAFETY: the elements are atomic.
unsafe impl Sync for Code {}

static CODE: Code = Code(UnsafeCell::new([AtomicU32::new(INSTRUCTIONS[5]), AtomicU32::new(RET)]));
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Runs the check on the first two CPUs, if there are two.
pub fn check() {
    if machine().cpus().len() < 2 {
        return;
    }
    if let Err(error) = secondary::start(1, change) {
        fail!("the second CPU does not start: {error:?}");
    }
    // SAFETY: the code is one of the instructions and RET.
    let function: unsafe extern "C" fn(u64, u64) -> u64 = unsafe { transmute(CODE.0.get()) };
    let (mut done, mut aborted) = (0, 0);
    for _ in 0..TRIES {
        // SAFETY: the instructions access registers that keep their values; nothing is to be
        // dropped.
        match unsafe { attempt(function, machine().uart + IDENTIFICATION, 0) } {
            Ok(_) => done += 1,
            Err(fault) if (fault.class(), fault.status()) == (DATA_ABORT, EXTERNAL) => aborted += 1,
            Err(fault) => fail!("an instruction that changes: {fault:x?}"),
        }
    }
    IS_OVER.store(true, Ordering::Relaxed);
    println!("forms: an instruction that changes, {done} done, {aborted} aborted");
    passed();
}

/// Changes the instruction until the check is over.
fn change(_: usize) {
    for instruction in INSTRUCTIONS.into_iter().cycle() {
        if IS_OVER.load(Ordering::Relaxed) {
            return;
        }
        // SAFETY: the element is atomic; cache maintenance changes no data.
        unsafe {
            let code = CODE.0.get();
            (*code)[0].store(instruction, Ordering::Relaxed);
            asm!("dc cvau, {0}", "dsb ish", "ic ivau, {0}", "dsb ish", in(reg) code,
                options(nostack));
        }
    }
}
