//! Exceptions. Interrupts go to the guest's handler. A synchronous exception ends the [`attempt`]
//! that caused it; outside of an attempt it ends the guest.

use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::fmt::{self, Write};

use crate::cpu::{self, MAX_CPUS};
use crate::{gic, pl011, psci, tree};

global_asm!(include_str!("registers.s"), include_str!("vectors.s"));

/// The state of the CPU when an exception was taken, as `vectors.s` saves it.
#[repr(C)]
struct Frame {
    x: [u64; 31],
    elr: u64,
    spsr: u64,
    esr: u64,
    far: u64,
    kind: u64,
}

const _: () = assert!(size_of::<Frame>() == 288);

/// PSTATE.D, set after an attempt: one that a debug exception ended must not step on.
const DEBUG_MASKED: u64 = 1 << 9;
/// PSTATE.A, I and F, which an attempt leaves as they were when it ended.
const MASKS: u64 = 0b111 << 6;
/// PSTATE.M for EL1 with SP_EL1, at whichever level the attempt ended.
const EL1H: u64 = 0b0101;

/// The synchronous exception that ended an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Fault {
    /// ESR_EL1
    pub esr: u64,
    /// FAR_EL1, which is valid only for aborts, watchpoints and alignment faults.
    pub far: u64,
    /// ELR_EL1: the address of the instruction.
    pub elr: u64,
}

impl Fault {
    /// Returns the exception class, ESR_EL1.EC.
    pub const fn class(&self) -> u64 {
        self.esr >> 26 & 0x3f
    }

    /// Returns the fault status code of an abort, ESR_EL1.ISS.xFSC.
    pub const fn status(&self) -> u64 {
        self.esr & 0x3f
    }
}

/// The attempt of one CPU.
#[repr(C)]
struct Attempt {
    /// The stack pointer to return with after an exception; 0 outside of an attempt.
    stack: u64,
    fault: Fault,
}

#[repr(transparent)]
struct PerCpu(UnsafeCell<Attempt>);

// SAFETY: a CPU uses only its own element.
unsafe impl Sync for PerCpu {}

static ATTEMPTS: [PerCpu; MAX_CPUS] = [const {
    PerCpu(UnsafeCell::new(Attempt { stack: 0, fault: Fault { esr: 0, far: 0, elr: 0 } }))
}; MAX_CPUS];

#[repr(C)]
struct Outcome {
    value: u64,
    ended: u64,
}

unsafe extern "C" {
    fn attempt_call(
        function: unsafe extern "C" fn(u64, u64) -> u64,
        a: u64,
        b: u64,
        slot: *mut u64,
    ) -> Outcome;
    fn attempt_ended();
}

/// Calls `function(a, b)`, which may end in a synchronous exception, and returns its result or the
/// exception.
///
/// # Safety
///
/// `function` may be called with these arguments, has nothing to drop where it can be ended, and
/// does not call `attempt` itself.
pub unsafe fn attempt(
    function: unsafe extern "C" fn(u64, u64) -> u64,
    a: u64,
    b: u64,
) -> Result<u64, Fault> {
    let attempt = ATTEMPTS[cpu::index()].0.get();
    // SAFETY: the element is this CPU's own, and `function` is as the caller guarantees.
    let outcome = unsafe { attempt_call(function, a, b, &raw mut (*attempt).stack) };
    if outcome.ended == 0 {
        return Ok(outcome.value);
    }
    // SAFETY: as above; the exception handler has written it and has returned.
    Err(unsafe { (*attempt).fault })
}

/// Reads 32 bits at an address where there may be nothing.
///
/// # Safety
///
/// Reading what may be at the address has no effect on this program.
pub unsafe fn probe_read(address: u64) -> Result<u64, Fault> {
    unsafe extern "C" fn read(address: u64, _: u64) -> u64 {
        // SAFETY: guaranteed by the caller of `probe_read`.
        unsafe { crate::mmio::read32(address) }.into()
    }
    // SAFETY: `read` has nothing to drop.
    unsafe { attempt(read, address, 0) }
}

/// Writes 32 bits at an address where there may be nothing.
///
/// # Safety
///
/// Writing what may be at the address has no effect on this program.
pub unsafe fn probe_write(address: u64, value: u32) -> Result<(), Fault> {
    unsafe extern "C" fn write(address: u64, value: u64) -> u64 {
        // SAFETY: guaranteed by the caller of `probe_write`.
        unsafe { crate::mmio::write32(address, value as u32) };
        0
    }
    // SAFETY: `write` has nothing to drop.
    unsafe { attempt(write, address, value.into()) }.map(drop)
}

#[unsafe(no_mangle)]
extern "C" fn exception(frame: &mut Frame) {
    // Defined by `guest!`.
    unsafe extern "Rust" {
        safe fn guest_interrupt(interrupt: gic::Interrupt);
    }
    match frame.kind {
        1 | 5 | 9 | 13 => {
            while let Some(interrupt) = gic::acknowledge() {
                guest_interrupt(interrupt);
                gic::end(interrupt);
            }
        }
        0 | 4 | 8 | 12 => synchronous(frame),
        _ => die(frame),
    }
}

fn synchronous(frame: &mut Frame) {
    // SAFETY: the element is this CPU's own, and `attempt` accesses it only before and after the
    // function that the exception interrupted.
    let attempt = unsafe { &mut *ATTEMPTS[cpu::index()].0.get() };
    if attempt.stack == 0 {
        die(frame);
    }
    attempt.fault = Fault { esr: frame.esr, far: frame.far, elr: frame.elr };
    frame.spsr = EL1H | DEBUG_MASKED | frame.spsr & MASKS;
    frame.x[0] = attempt.stack;
    frame.elr = attempt_ended as *const () as u64;
}

fn die(frame: &Frame) -> ! {
    const KINDS: [&str; 4] = ["synchronous exception", "IRQ", "FIQ", "SError"];
    unsafe extern "C" {
        static __image_start: u8;
    }
    let base = &raw const __image_start as u64;
    print_and_power_off(format_args!(
        "{} on CPU {}: ESR {:#x}, FAR {:#x}, ELR {:#x} (image + {:#x}), LR {:#x}, \
         SPSR {:#x}",
        KINDS[(frame.kind % 4) as usize],
        cpu::index(),
        frame.esr,
        frame.far,
        frame.elr,
        frame.elr.wrapping_sub(base),
        frame.x[30],
        frame.spsr,
    ))
}

fn print_and_power_off(text: fmt::Arguments) -> ! {
    if tree::machine_if_read().is_some() {
        let _ = writeln!(pl011::Console, "\nPANIC: {text}");
        psci::system_off();
    }
    loop {
        core::hint::spin_loop();
    }
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    print_and_power_off(format_args!("{info}"))
}
