//! Refuses to start guests, which is the only way in which boot fails.

use core::fmt;
use log::{error, info};

use crate::el2::drivers::power::{self, ExitStatus};

/// Prints why no guest can be started, waits until the line has been sent, and powers the machine
/// off if there is a way to do that.
#[cold]
#[inline(never)]
pub fn refuse(reason: fmt::Arguments<'_>) -> ! {
    error!("refused: {reason}");
    if power::can_end() {
        info!("no guest was started; the machine powers off");
    } else {
        info!("no guest was started; the machine stops here: its tree has no way to power it off");
    }
    log::logger().flush();
    power::exit(ExitStatus::Refused)
}
