//! Endless exceptions: each causes the next one.

use core::arch::asm;

use runtime::{println, timer};

use crate::window;

/// Starts a loop on a CPU other than the boot CPU, of a kind that depends on its index.
pub fn other_cpu(index: usize) -> ! {
    println!("attacker: CPU {index} loops");
    match index % 3 {
        0 => vectors_outside(),
        1 => vectors_not_executable(),
        _ => stack_outside(),
    }
}

/// Starts a loop on the boot CPU if it is the only CPU, until its watchdog stops it. Otherwise
/// returns while the other CPUs loop.
pub fn boot_cpu() {
    if crate::context::count() == 1 {
        println!("attacker: loops");
        vectors_outside();
    }
    timer::within(200_000, || false);
}

/// Each fetch from the exception vectors is the next exception, by way of EL2.
fn vectors_outside() -> ! {
    set_vectors(window::KERNEL + 0x7000_0000)
}

/// The same without EL2: the runtime maps the address as Device memory.
fn vectors_not_executable() -> ! {
    set_vectors(0x7000_0000)
}

fn set_vectors(address: u64) -> ! {
    // SAFETY: this CPU executes nothing else afterwards.
    unsafe { asm!("msr vbar_el1, {}", "isb", "udf #0", in(reg) address, options(noreturn)) }
}

/// The first store of each exception is the next exception: there is nothing below the stack
/// pointer.
fn stack_outside() -> ! {
    let top = window::KERNEL + window::SIZE - 64;
    // SAFETY: as above.
    unsafe { asm!("mov sp, {}", "udf #0", in(reg) top, options(noreturn)) }
}
