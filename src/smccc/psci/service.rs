//! PSCI as a service of the SMC calling convention.

use super::functions::{FEATURES, constant, is_implemented, is_psci};
use crate::smccc::codes::{NOT_SUPPORTED, SUCCESS};
use crate::smccc::service::{Outcome, Request, Service};

/// PSCI's functions. Those whose results depend on the vCPUs' power states go to the partition's
/// [`Psci`](super::Psci).
pub struct PsciCalls;

impl Service for PsciCalls {
    fn owns(&self, function: u32) -> bool {
        is_psci(function)
    }

    fn handle(&self, request: Request) -> Outcome {
        let Request { function, argument } = request;
        match function {
            // CPU_SUSPEND's flags are zero: original power state format, no OS-initiated mode.
            FEATURES if is_implemented(argument as u32) => Outcome::Return(SUCCESS),
            FEATURES => Outcome::Return(NOT_SUPPORTED),
            _ => constant(function).map_or(Outcome::Psci(function), Outcome::Return),
        }
    }
}
