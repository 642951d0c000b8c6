//! Output of a panic: straight to the UART, past the console and its lock, which the CPU that
//! panicked may hold.

use core::sync::atomic::{AtomicBool, Ordering};

use super::AnyUart;
use crate::el2::arch::sync::SetOnce;

/// The UART of panics.
struct EmergencyUart {
    uart: SetOnce<AnyUart>,
    /// Set for good by the first panic.
    is_taken: AtomicBool,
}

/// A static, because a panic handler takes no arguments.
static EMERGENCY: EmergencyUart =
    EmergencyUart { uart: SetOnce::new(), is_taken: AtomicBool::new(false) };

/// Keeps the UART for panics.
pub fn init(uart: AnyUart) {
    EMERGENCY.uart.set(uart);
}

/// Takes the UART from the console, for good. Returns whether another CPU had done so before.
pub fn take() -> bool {
    EMERGENCY.is_taken.swap(true, Ordering::AcqRel)
}

/// Whether a panic has taken the UART: other CPUs send nothing then, so that they do not tear its
/// lines.
pub fn is_taken() -> bool {
    EMERGENCY.is_taken.load(Ordering::Relaxed)
}

/// Sends text, and waits for room as often as it takes.
#[inline(never)]
pub fn write(text: &[u8]) {
    if let Some(uart) = EMERGENCY.uart.get() {
        for byte in text {
            if *byte == b'\n' {
                uart.send_blocking(b'\r');
            }
            uart.send_blocking(*byte);
        }
    }
}
