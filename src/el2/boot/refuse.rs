//! Refuses to start guests, which is the only way in which boot fails.

use core::fmt;
use log::{error, info};

use crate::el2::drivers::power::{self, ExitStatus};

/// Prints why no guest can be started, waits until the line has been sent, and powers the machine
/// off.
#[cold]
#[inline(never)]
pub fn refuse(reason: fmt::Arguments<'_>) -> ! {
    error!("refused: {reason}");
    info!("no guest was started; the machine powers off");
    log::logger().flush();
    power::exit(ExitStatus::Refused)
}
