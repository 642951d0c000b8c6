//! The runtime of Bulkhead's bare-metal guests: entry, exceptions, interrupts, timer, UART, PSCI, links,
//! shared memory, disks.
//!
//! A guest is an arm64 Image that runs in a partition and on a bare `virt` machine, and finds its
//! devices in its device tree. It names its functions with [`guest!`]; the runtime calls `main` on
//! the boot CPU with the MMU on and interrupts masked, and powers off when it returns.

#![no_std]

pub mod block;
pub mod cpu;
mod entry;
pub mod exceptions;
pub mod gic;
pub mod mailbox;
pub mod mmio;
pub mod mmu;
pub mod pl011;
pub mod pl031;
pub mod psci;
pub mod secondary;
pub mod timer;
pub mod tree;
pub mod virtio;
pub mod watchdog;

/// Names the guest's `main` and its interrupt handler.
#[macro_export]
macro_rules! guest {
    ($main:path, $interrupt:path) => {
        #[unsafe(no_mangle)]
        fn guest_main() {
            $main()
        }

        #[unsafe(no_mangle)]
        fn guest_interrupt(interrupt: $crate::gic::Interrupt) {
            $interrupt(interrupt)
        }
    };
}

/// Prints a failure, on a line that tests search for, and powers off.
#[macro_export]
macro_rules! fail {
    ($($text:tt)*) => {{
        $crate::println!("FAIL: {}", format_args!($($text)*));
        $crate::psci::system_off()
    }};
}
