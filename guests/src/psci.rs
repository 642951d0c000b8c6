//! Calls to the firmware, or to the hypervisor in its place: PSCI (DEN0022) by SMCCC (DEN0028).

use core::arch::asm;

use crate::tree::{self, Conduit};

const VERSION: u64 = 0x8400_0000;
const CPU_OFF: u64 = 0x8400_0002;
const CPU_ON: u64 = 0xc400_0003;
const AFFINITY_INFO: u64 = 0xc400_0004;
const SYSTEM_OFF: u64 = 0x8400_0008;
const SYSTEM_RESET: u64 = 0x8400_0009;

/// The negative answers of DEN0022, section 5.2.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// -1
    NotSupported,
    /// -2
    InvalidParameters,
    /// -3
    Denied,
    /// -4
    AlreadyOn,
    /// -5
    OnPending,
    /// -9
    InvalidAddress,
    /// Any other.
    Other(i32),
}

/// What AFFINITY_INFO answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Affinity {
    /// 0
    On,
    /// 1
    Off,
    /// 2
    OnPending,
}

/// Calls `function` with up to six arguments, by the conduit of the tree; all four results.
pub fn call(function: u64, arguments: [u64; 6]) -> [u64; 4] {
    call_by(tree::machine().psci, function, arguments)
}

/// The same by a conduit of the caller's choice.
pub fn call_by(conduit: Conduit, function: u64, arguments: [u64; 6]) -> [u64; 4] {
    let [mut x1, mut x2, mut x3, x4, x5, x6] = arguments;
    let mut x0 = function;
    macro_rules! call {
        ($instruction:literal) => {
            // SAFETY: SMCCC 1.1: registers above x3 are preserved, but 1.0 allows x4 to x17 to be
            // lost; what a call does to memory is up to the caller's choice of function.
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

fn result(function: u64, arguments: [u64; 3]) -> Result<u32, Error> {
    let [a, b, c] = arguments;
    let answer = call(function, [a, b, c, 0, 0, 0])[0] as i32;
    match answer {
        0.. => Ok(answer as u32),
        -1 => Err(Error::NotSupported),
        -2 => Err(Error::InvalidParameters),
        -3 => Err(Error::Denied),
        -4 => Err(Error::AlreadyOn),
        -5 => Err(Error::OnPending),
        -9 => Err(Error::InvalidAddress),
        other => Err(Error::Other(other)),
    }
}

/// The version, major in the upper half.
pub fn version() -> Result<u32, Error> {
    result(VERSION, [0; 3])
}

/// Turns the CPU with this affinity on, at a physical address, with `context` in its x0.
pub fn cpu_on(affinity: u64, entry: u64, context: u64) -> Result<(), Error> {
    result(CPU_ON, [affinity, entry, context]).map(drop)
}

/// Turns this CPU off; returns only if that is refused.
pub fn cpu_off() -> Error {
    result(CPU_OFF, [0; 3]).err().unwrap_or(Error::Other(0))
}

/// The state of the CPU with this affinity.
pub fn affinity_info(affinity: u64) -> Result<Affinity, Error> {
    match result(AFFINITY_INFO, [affinity, 0, 0])? {
        0 => Ok(Affinity::On),
        1 => Ok(Affinity::Off),
        2 => Ok(Affinity::OnPending),
        other => Err(Error::Other(other as i32)),
    }
}

/// Powers the machine, or the partition, off.
pub fn system_off() -> ! {
    end(SYSTEM_OFF)
}

/// Restarts the machine, or the partition.
pub fn system_reset() -> ! {
    end(SYSTEM_RESET)
}

fn end(function: u64) -> ! {
    call(function, [0; 6]);
    loop {
        core::hint::spin_loop();
    }
}
