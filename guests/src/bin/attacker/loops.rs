//! The last that a CPU does: exceptions that lead to exceptions, for ever.

use core::arch::asm;

use runtime::{println, timer};

use crate::window;

/// What a CPU that is not the boot CPU does: which loop, by its index.
pub fn other_cpu(index: usize) -> ! {
    println!("attacker: CPU {index} loops");
    match index % 3 {
        0 => vectors_outside(),
        1 => vectors_not_executable(),
        _ => stack_outside(),
    }
}

/// The boot CPU loops too if it is alone, until its watchdog ends it, and otherwise ends the partition while the others loop.
pub fn boot_cpu() {
    if crate::context::count() == 1 {
        println!("attacker: loops");
        vectors_outside();
    }
    timer::within(200_000, || false);
}

/// Each fetch from the exception vectors is one more exception, through EL2.
fn vectors_outside() -> ! {
    set_vectors(window::KERNEL + 0x7000_0000)
}

/// The same without ever leaving EL1: the runtime maps the address as a device.
fn vectors_not_executable() -> ! {
    set_vectors(0x7000_0000)
}

fn set_vectors(address: u64) -> ! {
    // SAFETY: nothing that this CPU does from now on matters.
    unsafe { asm!("msr vbar_el1, {}", "isb", "udf #0", in(reg) address, options(noreturn)) }
}

/// Each exception's first store is one more exception. The stack grows down through nothing at all.
fn stack_outside() -> ! {
    let top = window::KERNEL + window::SIZE - 64;
    // SAFETY: as above.
    unsafe { asm!("mov sp, {}", "udf #0", in(reg) top, options(noreturn)) }
}
