//! Output of a panic: directly to the UART, without the console's lock, which the CPU that panicked
//! may hold.

use core::sync::atomic::{AtomicBool, Ordering};

use super::MachineUart;
use crate::el2::arch::sync::SetOnce;

/// The UART as panics use it.
struct EmergencyUart {
    uart: SetOnce<MachineUart>,
    /// Whether a panic uses the UART. Never cleared.
    is_taken: AtomicBool,
}

/// A static, because the panic handler takes no argument that could refer to it.
static EMERGENCY: EmergencyUart =
    EmergencyUart { uart: SetOnce::new(), is_taken: AtomicBool::new(false) };

/// Sets the UART that panics use.
pub fn init(uart: MachineUart) {
    EMERGENCY.uart.set(uart);
}

/// Takes the UART from the console permanently. Returns whether it was taken already.
pub fn take() -> bool {
    EMERGENCY.is_taken.swap(true, Ordering::AcqRel)
}

/// Returns whether a panic has taken the UART. If so, other CPUs send nothing, so that their output
/// is not mixed into its lines.
pub fn is_taken() -> bool {
    EMERGENCY.is_taken.load(Ordering::Relaxed)
}

/// Sends text, waiting for room before each byte.
#[inline(never)]
pub fn write(text: &[u8]) {
    if let Some(uart) = EMERGENCY.uart.get() {
        for byte in text {
            if *byte == b'\n' {
                uart.send_byte(b'\r');
            }
            uart.send_byte(*byte);
        }
    }
}
