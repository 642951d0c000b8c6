//! Calls to whoever is above, and an instruction that Bulkhead answers.

use core::arch::asm;

use runtime::tree::{Conduit, machine};

use crate::figures;

/// Calls that change nothing: one of an OEM's that nobody offers, PSCI_VERSION, and
/// SMCCC_ARCH_WORKAROUND_1.
const CALLS: [(&str, u64); 3] = [
    ("call-unknown", 0x8300_ff00),
    ("psci-version", 0x8400_0000),
    ("arch-workaround-1", 0x8000_8000),
];

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
            // SAFETY: SMCCC 1.1: a call may change x0 to x3, and 1.0's x4 to x17; these have no other
            // effect.
            unsafe {
                asm!(concat!(stringify!($name), " #0"), inout("x0") function => _,
                    clobber_abi("C"), options(nostack));
            }
        }
    };
}

conduit!(hvc);
conduit!(smc);
