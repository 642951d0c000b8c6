//! A bug of Bulkhead: says where, with what a person needs to find it, and stops the machine.

use aarch64_cpu::registers::*;
use core::arch::asm;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use super::exit::{self, Status};
use super::vectors::Frame;
use super::{console, image};

/// Set by the first CPU that panics; the others stop in silence.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Frames that a backtrace shows at the most.
const BACKTRACE_DEPTH: usize = 24;

/// Writes to the UART directly, whatever state the console is in.
struct Emergency;

impl Write for Emergency {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        console::emergency_write(text);
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    begin();
    let _ = writeln!(Emergency, "\n[bulkhead] panic on CPU {:#x}: {}", mpidr(), info.message());
    if let Some(location) = info.location() {
        let _ =
            writeln!(Emergency, "  at {}, line {}", location.file(), u64::from(location.line()));
    }
    let (esr, far, elr, spsr) = (ESR_EL2.get(), FAR_EL2.get(), ELR_EL2.get(), SPSR_EL2.get());
    let _ = writeln!(Emergency, "  the last trap to EL2: esr {esr:#x}  far {far:#x}");
    let _ = writeln!(Emergency, "  where it came from:   pc {elr:#x}  spsr {spsr:#x}");
    backtrace(frame_pointer());
    end()
}

/// An exception that EL2 itself took, from `vectors.s`.
pub extern "C" fn fault(frame: &Frame, kind: u64) -> ! {
    begin();
    const KINDS: [&str; 4] = ["synchronous exception", "interrupt", "fast interrupt", "SError"];
    let kind = KINDS.get(kind as usize).unwrap_or(&"exception");
    let _ = writeln!(Emergency, "\n[bulkhead] panic on CPU {:#x}: {kind} at EL2", mpidr());
    let (esr, far, elr, spsr) = (ESR_EL2.get(), FAR_EL2.get(), ELR_EL2.get(), SPSR_EL2.get());
    let _ = writeln!(Emergency, "  esr {esr:#018x}  far {far:#018x}  spsr {spsr:#018x}");
    let _ = writeln!(Emergency, "  pc  {elr:#018x}  sp  {:#018x}", frame.x[31]);
    for (index, pair) in frame.x[..31].chunks(2).enumerate() {
        for (offset, value) in pair.iter().enumerate() {
            let _ = write!(Emergency, "  x{:<3}{value:#018x}", index * 2 + offset);
        }
        let _ = writeln!(Emergency);
    }
    print_backtrace_line(elr);
    backtrace(frame.x[29]);
    end()
}

fn begin() {
    if PANICKED.swap(true, Ordering::AcqRel) {
        exit::stop();
    }
}

fn end() -> ! {
    exit::exit(Status::Panic)
}

fn mpidr() -> u64 {
    MPIDR_EL1.get() & 0xff_00ff_ffff
}

fn frame_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: reading a general register changes nothing.
    unsafe { asm!("mov {}, x29", out(reg) pointer, options(nomem, nostack)) };
    pointer
}

/// Follows the chain of frame records (AAPCS64, 6.4.6) for as long as it stays on a stack.
fn backtrace(mut frame: u64) {
    let stacks = image::stacks();
    for _ in 0..BACKTRACE_DEPTH {
        let inside = frame >= stacks.start().get() && frame < stacks.end().get() - 16;
        if !inside || !frame.is_multiple_of(8) {
            break;
        }
        // SAFETY: the record lies inside the stacks, is aligned, and is only read; a guard page
        // between two stacks would have ended the chain on the way.
        let [next, return_address] = unsafe { (frame as *const [u64; 2]).read_volatile() };
        if return_address != 0 {
            print_backtrace_line(return_address - 4);
        }
        if next <= frame {
            break;
        }
        frame = next;
    }
    let _ =
        writeln!(Emergency, "  (llvm-symbolizer --obj=bulkhead OFFSET tells function and line)");
}

/// One address, as an offset into the image: what the ELF file's symbols are relative to.
fn print_backtrace_line(address: u64) {
    let base = image::whole().start().get();
    let _ =
        writeln!(Emergency, "  at {address:#018x}  image offset {:#x}", address.wrapping_sub(base));
}
