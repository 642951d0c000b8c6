//! Calls to the firmware at EL3, where the machine's tree says there is one (PSCI, DEN0022).

use bulkhead::arch::addr::Pa;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::machine::{Conduit, Machine};
use bulkhead::smccc::Workaround;
use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

const PSCI_SYSTEM_OFF: u32 = 0x8400_0008;
const PSCI_SYSTEM_RESET: u32 = 0x8400_0009;
const PSCI_CPU_ON: u32 = 0xc400_0003;

/// Whether the tree promised PSCI by SMC: without that word no SMC is ever issued, since on a
/// machine with no EL3 firmware it would hang or be undefined.
static SMC: AtomicBool = AtomicBool::new(false);

/// Learns from the tree whether firmware can be called. At EL2 the HVC conduit is Bulkhead itself.
pub fn init(machine: &Machine) {
    SMC.store(machine.psci == Some(Conduit::Smc), Ordering::Relaxed);
}

/// Whether firmware can be called at all.
pub fn is_there() -> bool {
    SMC.load(Ordering::Relaxed)
}

/// A secure monitor call with up to three arguments (SMCCC, DEN0028, section 2.6).
///
/// # Safety
///
/// `is_there` must hold, and the call must be one whose effects the caller accounts for.
pub unsafe fn call(function: u32, arguments: [u64; 3]) -> i64 {
    let result: i64;
    // SAFETY: firmware that follows the calling convention preserves x18 to x30 and SP, and the
    // caller vouches for what the function does.
    unsafe {
        asm!(
            "smc #0",
            inout("x0") u64::from(function) => result,
            inout("x1") arguments[0] => _,
            inout("x2") arguments[1] => _,
            inout("x3") arguments[2] => _,
            out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _,
            out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _, out("x15") _,
            out("x16") _, out("x17") _,
            options(nostack),
        );
    }
    result
}

/// Starts a CPU at `entry`; `Err` holds PSCI's error number.
///
/// # Safety
///
/// `entry` must be code that a CPU with its MMU off can start at.
pub unsafe fn cpu_on(cpu: Mpidr, entry: Pa) -> Result<(), i64> {
    // SAFETY: the caller vouches for where the CPU goes; nothing else changes.
    match unsafe { call(PSCI_CPU_ON, [cpu.get(), entry.get(), 0]) } {
        0 => Ok(()),
        error => Err(error),
    }
}

/// Resets the machine to have it boot `again`, or switches it off; returns only where there is no
/// firmware to do it.
pub fn end(again: bool) {
    if is_there() {
        let function = if again { PSCI_SYSTEM_RESET } else { PSCI_SYSTEM_OFF };
        // SAFETY: firmware is there, and nothing of Bulkhead needs to survive this.
        unsafe { call(function, [0; 3]) };
    }
}

/// Whether firmware has SMCCC 1.1 or newer, without which its other calls cannot be asked about.
pub fn has_smccc_1_1() -> bool {
    const PSCI_FEATURES: u32 = 0x8400_000a;
    const SMCCC_VERSION: u32 = 0x8000_0000;
    if !is_there() {
        return false;
    }
    // SAFETY: both calls only ask; PSCI_FEATURES exists since PSCI 1.0, and an older firmware
    // answers NOT_SUPPORTED.
    let version = unsafe {
        if call(PSCI_FEATURES, [u64::from(SMCCC_VERSION), 0, 0]) as i32 != 0 {
            return false;
        }
        call(SMCCC_VERSION, [0; 3]) as i32
    };
    version >= 0x1_0001
}

/// SMCCC_ARCH_FEATURES, for firmware that has SMCCC 1.1.
pub fn features(function: u32) -> i32 {
    const ARCH_FEATURES: u32 = 0x8000_0001;
    // SAFETY: only asks.
    unsafe { call(ARCH_FEATURES, [u64::from(function), 0, 0]) as i32 }
}

/// Carries out a mitigation that firmware said it offers.
pub fn work_around(workaround: Workaround, argument: u64) -> i64 {
    // SAFETY: the identifier is one of three that firmware itself advertised on this CPU, and
    // that act on this CPU's branch predictors alone.
    unsafe { call(workaround.id(), [argument, 0, 0]) }
}
