//! The ways in which the machine ends.

use bulkhead::boot::machine::Machine;
use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};
use spin::Once;

use super::mmio::Registers;
use crate::el2::arch::firmware;

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

/// The word by which a machine that nobody watches starts again after a bug of Bulkhead, where it
/// would be switched off.
const RESET_WORD: &str = "panic=reset";

/// Whether that word was there.
static RESET_AFTER_PANIC: AtomicBool = AtomicBool::new(false);

/// Looks for the words in the machine's own command line.
pub fn init(bootargs: &str) {
    let asks = |wanted| bootargs.split_ascii_whitespace().any(|word| word == wanted);
    SEMIHOSTING.store(asks(SEMIHOSTING_WORD), Ordering::Relaxed);
    RESET_AFTER_PANIC.store(asks(RESET_WORD), Ordering::Relaxed);
}

/// The watchdog that switches the machine off, or resets it, where firmware cannot.
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
    let again = status == Status::Panic && RESET_AFTER_PANIC.load(Ordering::Relaxed);
    firmware::end(again);
    if let Some(watchdog) = WATCHDOG.get() {
        watchdog_end(watchdog, again);
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

/// Lets the watchdog of a Raspberry Pi reset everything at once. Firmware then boots `again`, or
/// halts: it does that when PM_RSTS has all six bits of the boot partition's number set.
fn watchdog_end(pm: &Registers, again: bool) {
    const PASSWORD: u32 = 0x5a00_0000;
    const RSTC: u64 = 0x1c;
    const RSTS: u64 = 0x20;
    const WDOG: u64 = 0x24;
    const PARTITION_HALT: u32 = 0x555;
    const TICKS: u32 = 10;
    const FULL_RESET: u32 = 0x20;
    let partition = if again { 0 } else { PARTITION_HALT };
    for (register, value) in [(RSTS, partition), (WDOG, TICKS), (RSTC, FULL_RESET)] {
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
