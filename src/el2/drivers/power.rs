//! Powers the machine off or resets it, or stops this CPU if neither is possible.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

use super::mmio::Registers;
use crate::el2::arch::firmware::Firmware;
use crate::el2::arch::sync::SetOnce;

/// How the machine ended. With semihosting it is QEMU's exit status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitStatus {
    /// Every partition stopped by itself.
    Success = 0,
    /// The system description or the machine was refused; no guest has run.
    Refused = 2,
    /// Bulkhead stopped at least one partition.
    Crashed = 3,
    /// Bulkhead panicked.
    Panic = 4,
}

/// The word in the machine's command line that says that semihosting is available. Without it no
/// HLT is executed: on a machine without semihosting HLT is an exception, and on one with it guests
/// can access the host's files.
const SEMIHOSTING_WORD: &str = "semihosting";

/// The word in the machine's command line that makes an unattended machine reset after a panic
/// instead of powering off.
const RESET_WORD: &str = "panic=reset";

/// The operation and the reason of the semihosting call.
const SYS_EXIT: u64 = 0x18;
const ADP_STOPPED_APPLICATION_EXIT: u64 = 0x20026;

/// The ways to end this machine.
struct Power {
    semihosting: AtomicBool,
    reset_after_panic: AtomicBool,
    firmware: SetOnce<Firmware>,
    /// The power management block of a Raspberry Pi, whose watchdog resets everything.
    watchdog: SetOnce<Registers>,
}

/// A static, because the panic handler takes no argument that could refer to it.
static POWER: Power = Power {
    semihosting: AtomicBool::new(false),
    reset_after_panic: AtomicBool::new(false),
    firmware: SetOnce::new(),
    watchdog: SetOnce::new(),
};

/// Reads how the machine ends from its command line (`/chosen/bootargs`).
pub fn read_bootargs(bootargs: &str) {
    let has = |wanted| bootargs.split_ascii_whitespace().any(|word| word == wanted);
    POWER.semihosting.store(has(SEMIHOSTING_WORD), Ordering::Relaxed);
    POWER.reset_after_panic.store(has(RESET_WORD), Ordering::Relaxed);
}

/// Sets the firmware and the watchdog with which [`exit`] can end the machine.
pub fn init(firmware: Option<Firmware>, watchdog: Option<Registers>) {
    if let Some(firmware) = firmware {
        POWER.firmware.set(firmware);
    }
    if let Some(watchdog) = watchdog {
        POWER.watchdog.set(watchdog);
    }
}

/// Returns whether [`exit`] has a way to end the machine.
#[inline(always)]
pub fn can_end() -> bool {
    let Power { semihosting, firmware, watchdog, .. } = &POWER;
    let has_end = firmware.get().is_some() || watchdog.get().is_some();
    has_end || semihosting.load(Ordering::Relaxed)
}

/// Ends the machine: by semihosting if its command line allows that, otherwise by firmware,
/// otherwise by the watchdog. If all fail, stops this CPU.
pub fn exit(status: ExitStatus) -> ! {
    if POWER.semihosting.load(Ordering::Relaxed) {
        semihosting_exit(status);
    }
    let reset = status == ExitStatus::Panic && POWER.reset_after_panic.load(Ordering::Relaxed);
    if let Some(firmware) = POWER.firmware.get() {
        firmware.end(reset);
    }
    if let Some(watchdog) = POWER.watchdog.get() {
        watchdog_end(watchdog, reset);
    }
    stop()
}

/// Makes the watchdog of a Raspberry Pi reset the machine at once. Its firmware then boots again if
/// `reset`, and otherwise halts, because all six bits of the boot partition's number in PM_RSTS are
/// set.
fn watchdog_end(pm: &Registers, reset: bool) {
    const PASSWORD: u32 = 0x5a00_0000;
    const RSTC: u64 = 0x1c;
    const RSTS: u64 = 0x20;
    const WDOG: u64 = 0x24;
    const PARTITION_HALT: u32 = 0x555;
    const TICKS: u32 = 10;
    const FULL_RESET: u32 = 0x20;
    let partition = if reset { 0 } else { PARTITION_HALT };
    for (register, value) in [(RSTS, partition), (WDOG, TICKS), (RSTC, FULL_RESET)] {
        pm.write(register, PASSWORD | value);
    }
}

/// Stops this CPU permanently.
pub fn stop() -> ! {
    loop {
        aarch64_cpu::asm::wfi();
    }
}

/// Calls SYS_EXIT (Semihosting for AArch32 and AArch64), which takes a reason and a status.
fn semihosting_exit(status: ExitStatus) {
    let block = [ADP_STOPPED_APPLICATION_EXIT, status as u64];
    // SAFETY: `read_bootargs` found the word that promises a semihosting host, which only reads the
    // two words of `block`, and that outlives the call.
    unsafe {
        asm!("hlt #0xf000", in("x0") SYS_EXIT, in("x1") block.as_ptr(), options(nostack));
    }
}
