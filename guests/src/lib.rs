//! What Bulkhead's own bare-metal guests share: entry, exceptions, interrupts, timer, UART, PSCI.
//!
//! A guest is an arm64 Image that runs in a partition and on a bare `virt` machine alike, and finds
//! all that it uses in its device tree. It names its functions with [`guest!`]; the runtime calls
//! `main` on the boot CPU with the MMU on and interrupts masked, and powers off when it returns.

#![no_std]

pub mod cpu;
mod entry;
pub mod exceptions;
pub mod gic;
pub mod mmio;
pub mod mmu;
pub mod pl011;
pub mod pl031;
pub mod psci;
pub mod secondary;
pub mod timer;
pub mod tree;
pub mod watchdog;

/// Names the guest's `main` and its handler of interrupts.
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

/// Says what is wrong, on a line that tests look for, and powers off.
#[macro_export]
macro_rules! fail {
    ($($text:tt)*) => {{
        $crate::println!("FAIL: {}", format_args!($($text)*));
        $crate::psci::system_off()
    }};
}
