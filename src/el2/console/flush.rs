//! Sends all output at the end of the machine.

use bulkhead::operator::console::Stop;

use super::pieces::Sender;
use super::{CONSOLE, uart};
use crate::el2::arch::sync::relax;
use crate::el2::cpu::timer;

/// Waits until all output has been sent.
pub fn flush() {
    #[cfg(feature = "check-locks")]
    crate::el2::arch::lock_checks::set_live(false);
    let mut shared = loop {
        // Another CPU holds the lock for one piece.
        match CONSOLE.shared.attempt() {
            Some(shared) => break shared,
            None => relax(),
        }
    };
    let Some(uart) = uart() else { return };
    if let Some(lines) = &mut shared.lines {
        loop {
            lines.note_all();
            let has_line = lines.take_own_line(&CONSOLE.own_lines, &CONSOLE.log, timer::now());
            let stop = lines.send(
                u64::MAX,
                usize::MAX,
                &mut Sender { uart: Some(uart), waits: true },
                &|_| true,
            );
            if stop == Stop::Nothing && !has_line && !CONSOLE.own_lines.is_ready() {
                break;
            }
        }
    }
    uart.flush();
}
