//! Calls to firmware, or to the hypervisor in its place: PSCI (DEN0022) by SMCCC (DEN0028).

use core::arch::asm;

use crate::tree::{self, Conduit};

const VERSION: u64 = 0x8400_0000;
const CPU_OFF: u64 = 0x8400_0002;
const CPU_ON: u64 = 0xc400_0003;
const AFFINITY_INFO: u64 = 0xc400_0004;
const SYSTEM_OFF: u64 = 0x8400_0008;
const SYSTEM_RESET: u64 = 0x8400_0009;

/// A negative return value (DEN0022, section 5.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error(pub i32);

impl Error {
    /// The function is not implemented.
    pub const NOT_SUPPORTED: Error = Error(-1);
    /// There is no such CPU, or another argument is invalid.
    pub const INVALID_PARAMETERS: Error = Error(-2);
    /// The CPU is on already.
    pub const ALREADY_ON: Error = Error(-4);
    /// The entry address is not in the caller's memory.
    pub const INVALID_ADDRESS: Error = Error(-9);
}

/// AFFINITY_INFO: the CPU is on.
pub const ON: u32 = 0;
/// AFFINITY_INFO: the CPU is off.
pub const OFF: u32 = 1;

/// Calls `function` with up to six arguments by the conduit of the tree, and returns all four
/// results.
pub fn call(function: u64, arguments: [u64; 6]) -> [u64; 4] {
    call_by(tree::machine().psci, function, arguments)
}

/// Calls `function` by this conduit, and returns all four results.
pub fn call_by(conduit: Conduit, function: u64, arguments: [u64; 6]) -> [u64; 4] {
    let [mut x1, mut x2, mut x3, x4, x5, x6] = arguments;
    let mut x0 = function;
    macro_rules! call {
        ($instruction:literal) => {
            // SAFETY: SMCCC 1.1 preserves x4 to x17, but 1.0 does not; the callers choose functions
            // that do not affect memory.
            unsafe {
                asm!($instruction, inout("x0") x0, inout("x1") x1, inout("x2") x2,
                    inout("x3") x3, in("x4") x4, in("x5") x5, in("x6") x6,
                    clobber_abi("C"), options(nostack))
            }
        };
    }
    match conduit {
        Conduit::Hvc => call!("hvc #0"),
        Conduit::Smc => call!("smc #0"),
    }
    [x0, x1, x2, x3]
}

/// Calls `function` and returns the lower half of its first result as a PSCI return value.
pub fn answer(function: u64, [a, b, c]: [u64; 3]) -> Result<u32, Error> {
    let answer = call(function, [a, b, c, 0, 0, 0])[0] as i32;
    u32::try_from(answer).map_err(|_| Error(answer))
}

/// Returns the version of PSCI, with the major number in bits 31:16.
pub fn version() -> Result<u32, Error> {
    answer(VERSION, [0; 3])
}

/// Turns on the CPU with this affinity, at a physical address, with `context` in its x0.
pub fn cpu_on(affinity: u64, entry: u64, context: u64) -> Result<(), Error> {
    answer(CPU_ON, [affinity, entry, context]).map(drop)
}

/// Turns this CPU off. Returns only if that is refused.
pub fn cpu_off() -> Error {
    Error(call(CPU_OFF, [0; 6])[0] as i32)
}

/// Returns the state of the CPU with this affinity: [`ON`], [`OFF`] or 2 (on pending).
pub fn affinity_info(affinity: u64) -> Result<u32, Error> {
    answer(AFFINITY_INFO, [affinity, 0, 0])
}

/// Powers off the machine or the partition.
pub fn system_off() -> ! {
    end(SYSTEM_OFF)
}

/// Restarts the machine or the partition.
pub fn system_reset() -> ! {
    end(SYSTEM_RESET)
}

fn end(function: u64) -> ! {
    call(function, [0; 6]);
    loop {
        core::hint::spin_loop();
    }
}
