//! The ways in which the machine ends.

use bulkhead::machine::Machine;
use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};
use spin::Once;

use super::firmware;
use super::mmio::Registers;

/// How it went: QEMU's exit status where the tests ask for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Every partition stopped by itself.
    Success = 0,
    /// The system description or the machine was refused; no guest has run.
    Refused = 2,
    /// At least one partition was ended by Bulkhead.
    Crashed = 3,
    /// A bug of Bulkhead.
    Panic = 4,
}

/// The word on the machine's command line by which a test says that semihosting is there.
pub const SEMIHOSTING_WORD: &str = "semihosting";

const SYS_EXIT: u64 = 0x18;
const ADP_STOPPED_APPLICATION_EXIT: u64 = 0x20026;

/// Never tried unasked: on a machine without a debugger HLT is an exception, and a machine that
/// has semihosting on lets its guests reach the host's files too.
static SEMIHOSTING: AtomicBool = AtomicBool::new(false);

/// Looks for the word in the machine's own command line.
pub fn init(bootargs: &str) {
    let asked = bootargs.split_ascii_whitespace().any(|word| word == SEMIHOSTING_WORD);
    SEMIHOSTING.store(asked, Ordering::Relaxed);
}

/// The watchdog that switches the machine off where firmware cannot.
static WATCHDOG: Once<Registers> = Once::new();

/// Learns from the tree how the machine can be switched off.
pub fn find_watchdog(machine: &Machine) {
    if let Some(block) = machine.watchdog {
        WATCHDOG.call_once(|| Registers::map(block));
    }
}

/// Ends the machine: through semihosting if asked for, else by firmware or the watchdog; failing
/// all, this CPU stops where it is.
pub fn exit(status: Status) -> ! {
    if SEMIHOSTING.load(Ordering::Relaxed) {
        semihosting_exit(status);
    }
    firmware::system_off();
    if let Some(watchdog) = WATCHDOG.get() {
        watchdog_off(watchdog);
    }
    stop()
}

/// Ends the machine without calling firmware, which may not be above this code.
pub fn exit_without_firmware(status: Status) -> ! {
    if SEMIHOSTING.load(Ordering::Relaxed) {
        semihosting_exit(status);
    }
    stop()
}

/// Lets the watchdog of a Raspberry Pi reset everything at once, in such a way that firmware does
/// not boot again: it halts when PM_RSTS has all six bits of the boot partition's number set.
fn watchdog_off(pm: &Registers) {
    const PASSWORD: u32 = 0x5a00_0000;
    const RSTC: u64 = 0x1c;
    const RSTS: u64 = 0x20;
    const WDOG: u64 = 0x24;
    const PARTITION_HALT: u32 = 0x555;
    const TICKS: u32 = 10;
    const FULL_RESET: u32 = 0x20;
    for (register, value) in [(RSTS, PARTITION_HALT), (WDOG, TICKS), (RSTC, FULL_RESET)] {
        pm.write(register, PASSWORD | value);
    }
}

/// Stops this CPU for good.
pub fn stop() -> ! {
    loop {
        aarch64_cpu::asm::wfi();
    }
}

/// SYS_EXIT of the semihosting specification, whose AArch64 form takes a reason and a status.
fn semihosting_exit(status: Status) {
    let block = [ADP_STOPPED_APPLICATION_EXIT, status as u64];
    // SAFETY: the user promised a semihosting host, which reads the two words and ends the
    // machine; `block` outlives the call.
    unsafe {
        asm!("hlt #0xf000", in("x0") SYS_EXIT, in("x1") block.as_ptr(), options(nostack));
    }
}
