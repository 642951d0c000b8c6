//! The cost of calls by HVC or SMC, and of an ID register, whose reading is trapped.

use core::arch::asm;

use runtime::tree::{Conduit, machine};

use crate::figures;

/// Calls without effects: an OEM call that is not implemented, PSCI_VERSION, and
/// SMCCC_ARCH_WORKAROUND_1.
const CALLS: [(&str, u64); 3] = [
    ("call-unknown", 0x8300_ff00),
    ("psci-version", 0x8400_0000),
    ("arch-workaround-1", 0x8000_8000),
];

/// Measures the calls and the ID register.
pub fn measure() {
    for (name, function) in CALLS {
        match machine().psci {
            Conduit::Hvc => figures::measure(name, || (), || hvc(function)),
            Conduit::Smc => figures::measure(name, || (), || smc(function)),
        }
    }
    let read = || {
        // SAFETY: reading an ID register has no effect.
        unsafe { asm!("mrs {}, id_aa64pfr0_el1", out(reg) _, options(nostack)) };
    };
    figures::measure("id-register", || (), read);
}

macro_rules! conduit {
    ($name:ident) => {
        #[inline(always)]
        fn $name(function: u64) {
            // SAFETY: a call may change x0 to x3, by SMCCC 1.0 also x4 to x17; these calls have no
            // other effect.
            unsafe {
                asm!(concat!(stringify!($name), " #0"), inout("x0") function => _,
                    clobber_abi("C"), options(nostack));
            }
        }
    };
}

conduit!(hvc);
conduit!(smc);
