//! The trait of a service of the SMC calling convention.

use super::firmware::Workaround;

/// A call by HVC or SMC with an immediate of zero, as far as a service decides by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// The function identifier: w0.
    pub function: u32,
    /// The first argument: x1.
    pub argument: u64,
}

/// What EL2 has to do about a call.
///
/// x1 to x3 keep their values unless stated otherwise, after PSCI calls too: PSCI 1.1 returns its
/// results in x0 alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Put this into x0.
    Return(i64),
    /// Pass the function with this identifier to the partition's
    /// [`Psci`](crate::smccc::psci::Psci).
    Psci(u32),
    /// Make one SMC with [`Workaround::id`] in w0 and the guest's x1 on this CPU.
    Firmware(Workaround),
    /// Have the partition's source of random numbers answer by
    /// [`trng::answer`](crate::smccc::trng::answer), in x0 to x3. Without one the function does not
    /// exist.
    Trng,
}

/// A group of functions that are answered in one place.
///
/// Function identifiers of different services are disjoint.
pub trait Service {
    /// Returns whether the function with this identifier belongs to the service.
    fn owns(&self, function: u32) -> bool;

    /// Decides about a call of a function that the service [owns](Self::owns).
    fn handle(&self, request: Request) -> Outcome;
}
