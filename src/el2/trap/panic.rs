//! Reports a panic or an exception from EL2 with registers and a backtrace, and ends the machine.

use aarch64_cpu::registers::*;
use bulkhead::arch::addr::PAGE_SIZE;
use bulkhead::util::backtrace::is_call;
use bulkhead::util::format::{Sink, format};
use core::arch::asm;
use core::fmt;
use core::panic::PanicInfo;

use crate::el2::arch::frame::TrapFrame;
use crate::el2::arch::image::{self, EMERGENCY_STACK, MAX_CPUS};
use crate::el2::drivers::power::{self, ExitStatus};
use crate::el2::drivers::uart::emergency;

/// The maximum number of calls in a backtrace.
const BACKTRACE_DEPTH: usize = 24;

/// Formatted output to the emergency UART.
struct PanicOutput;

impl Sink for PanicOutput {
    fn put(&mut self, text: &[u8]) {
        emergency::write(text);
    }
}

/// Prints formatted text to the emergency UART.
fn print(text: fmt::Arguments<'_>) {
    format(text, &mut PanicOutput);
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    begin();
    print(format_args!("{}", info.message()));
    if let Some(location) = info.location() {
        emergency::write(b"\n  at ");
        emergency::write(location.file().as_bytes());
        print(format_args!(", line {}", u64::from(location.line())));
    }
    let (esr, far, elr, spsr) = (ESR_EL2.get(), FAR_EL2.get(), ELR_EL2.get(), SPSR_EL2.get());
    print(format_args!("\n  last exception to EL2: esr {esr:#x}  far {far:#x}\n"));
    print(format_args!("  taken from:            pc {elr:#x}  spsr {spsr:#x}\n"));
    backtrace(stack_pointer());
    end()
}

/// Reports an exception taken from EL2 itself. Called by `vectors.s`.
pub extern "C" fn fault(frame: &TrapFrame, kind: u64) -> ! {
    begin();
    const KINDS: [&str; 4] = ["synchronous exception", "interrupt", "fast interrupt", "SError"];
    emergency::write(KINDS.get(kind as usize).unwrap_or(&"exception").as_bytes());
    let (esr, far, elr, spsr) = (ESR_EL2.get(), FAR_EL2.get(), ELR_EL2.get(), SPSR_EL2.get());
    print(format_args!(" at EL2\n  esr {esr:#018x}  far {far:#018x}  spsr {spsr:#018x}\n"));
    print(format_args!("  pc  {elr:#018x}  sp  {:#018x}", frame.x[31]));
    for (index, value) in frame.x[..31].iter().enumerate() {
        if index % 2 == 0 {
            emergency::write(b"\n");
        }
        print(format_args!("  x{index:<3}{value:#018x}"));
    }
    emergency::write(b"\n");
    print_backtrace_line(elr);
    // x30 holds the return address of the function that faulted, or of its last call.
    if follows_call(frame.x[30]) {
        print_backtrace_line(frame.x[30].wrapping_sub(4));
    }
    backtrace(frame.x[31]);
    end()
}

/// Takes the UART and prints the first line. Stops this CPU if another one panics already.
fn begin() {
    if emergency::take() {
        power::stop();
    }
    print(format_args!("\n[bulkhead] panic on CPU {:#x}: ", mpidr()));
}

/// Ends the machine.
fn end() -> ! {
    power::exit(ExitStatus::Panic)
}

/// Returns the affinity fields of MPIDR_EL1.
fn mpidr() -> u64 {
    MPIDR_EL1.get() & 0xff_00ff_ffff
}

/// Returns the stack pointer.
fn stack_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: the instruction only copies SP to the register that the compiler allocated.
    unsafe { asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack)) };
    pointer
}

/// Prints the calls whose return addresses are on the stack that contains `pointer`, from there up.
fn backtrace(pointer: u64) {
    let stacks = image::stacks();
    let slot = stacks.size() / MAX_CPUS as u64;
    let Some(offset) = pointer.checked_sub(stacks.start().get()) else { return };
    if offset >= stacks.size() {
        return;
    }
    let bottom = pointer.wrapping_sub(offset.checked_rem(slot).unwrap_or(0));
    let end = bottom.wrapping_add(slot).wrapping_sub(EMERGENCY_STACK);
    let mut word = (pointer.wrapping_add(7) & !7).max(bottom.wrapping_add(PAGE_SIZE));
    let mut calls = 0;
    while word < end && calls < BACKTRACE_DEPTH {
        // SAFETY: the first word is above the guard page of the stack and `end` is its top, so all
        // words are mapped (`image::stack`); only this CPU uses the stack, and it is reading.
        let address = unsafe { (word as *const u64).read_volatile() };
        if follows_call(address) {
            print_backtrace_line(address.wrapping_sub(4));
            calls += 1;
        }
        word = word.wrapping_add(8);
    }
    emergency::write(b"  (llvm-symbolizer --obj=bulkhead OFFSET prints function and line)\n");
}

/// Returns whether this is the return address of a call in Bulkhead's code.
fn follows_call(address: u64) -> bool {
    let code = image::all_code();
    let code = code.start().get()..code.end().get();
    let call = address.wrapping_sub(4);
    if !address.is_multiple_of(4) || !code.contains(&call) {
        return false;
    }
    let result: u64;
    // SAFETY: AT writes only PAR_EL1 (Arm ARM D8.15), which is the guest's register; no guest runs
    // again on this CPU.
    unsafe {
        asm!(
            "at s1e2r, {call}",
            "isb",
            "mrs {result}, par_el1",
            call = in(reg) call,
            result = out(reg) result,
            options(nostack)
        )
    };
    // Code of boot and of wings may be unmapped.
    let is_mapped = result & 1 == 0;
    // SAFETY: the address is a multiple of 4, inside the image's code, and readable, as AT
    // reported.
    is_mapped && is_call(unsafe { (call as *const u32).read_volatile() })
}

/// Prints an address and its offset in the image, which is its address in the ELF file.
fn print_backtrace_line(address: u64) {
    let base = image::whole().start().get();
    let offset = address.wrapping_sub(base);
    print(format_args!("  at {address:#018x}  image offset {offset:#x}\n"));
}
