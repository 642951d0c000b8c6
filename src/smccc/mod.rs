//! The SMC calling convention 1.2 (Arm DEN0028): dispatches the calls that a guest makes, by HVC
//! and by SMC alike.
//!
//! Each function belongs to a service, and [`decode`] tries the services of the function's owner in
//! order. A new service takes a file of its own, which implements `Service`, and an argument of
//! `dispatch` in [`decode`]. Only the workarounds reach firmware.

mod arch_calls;
pub mod codes;
mod firmware;
pub mod psci;
mod service;
#[cfg(test)]
mod tests;
pub mod trng;
mod workarounds;

use arch_calls::ArchCalls;
use codes::NOT_SUPPORTED;
use psci::PsciCalls;
use service::{Request, Service};
use trng::TrngCalls;
use workarounds::FirmwareWorkarounds;

pub use firmware::{Workaround, Workarounds};
pub use service::Outcome;

/// The bits of a function identifier that say that it is a fast call, and the owner of the function
/// (DEN0028, sections 2.5 and 6): all but bit 30, which tells calls of 64 bits from those of 32.
const OWNER: u32 = 0xbf00_0000;
/// Fast calls of the Arm Architecture Service.
const ARM: u32 = 0x8000_0000;
/// Fast calls of the Standard Secure Service.
const STANDARD_SECURE: u32 = 0x8400_0000;

/// Lets the first service that owns the function decide about a call.
macro_rules! dispatch {
    ($request:expr, $($service:expr),+) => {
        $(if $service.owns($request.function) { $service.handle($request) } else)+ {
            Outcome::Return(NOT_SUPPORTED)
        }
    };
}

/// Returns the result of a call with an immediate of zero, if its function is called often and its
/// result never changes.
#[inline(always)]
pub fn constant(x0: u64) -> Option<i64> {
    psci::constant(x0 as u32)
}

/// Decides about a call with these x0 and x1, and with the immediate of its HVC or SMC.
pub fn decode(x0: u64, x1: u64, immediate: u16, workarounds: &Workarounds) -> Outcome {
    let request = Request { function: x0 as u32, argument: x1 };
    // DEN0028 reserves other immediates.
    if immediate != 0 {
        return Outcome::Return(NOT_SUPPORTED);
    }
    match request.function & OWNER {
        ARM => dispatch!(request, ArchCalls(workarounds), FirmwareWorkarounds(workarounds)),
        STANDARD_SECURE => dispatch!(request, PsciCalls, TrngCalls),
        _ => Outcome::Return(NOT_SUPPORTED),
    }
}
