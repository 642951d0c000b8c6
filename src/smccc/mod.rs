//! The SMC calling convention 1.2 (Arm DEN0028): dispatches the calls that a guest makes, by HVC
//! and by SMC alike.
//!
//! Each function belongs to a service, and [`decode`] tries the services in order. A new service
//! takes a file of its own, which implements `Service`, and an argument of `dispatch` in
//! [`decode`]. Only the workarounds reach firmware.

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
    dispatch!(
        request,
        PsciCalls,
        ArchCalls(workarounds),
        FirmwareWorkarounds(workarounds),
        TrngCalls
    )
}
