//! Private interrupts in device nodes.

use crate::arch::intid::{Interrupt, Intid};
use crate::boot::fdt::NodeError;

/// The clauses about a private interrupt that a node lacks or that is none.
pub(super) struct Faults {
    /// If there is no such interrupt.
    pub missing: &'static str,
    /// If it is an SPI.
    pub shared: &'static str,
}

/// Returns the INTID of an interrupt that must be private to each CPU (a PPI).
///
/// # Errors
///
/// One of `faults`.
pub(super) fn ppi(interrupt: Option<&Interrupt>, faults: &Faults) -> Result<Intid, NodeError> {
    match interrupt {
        Some(Interrupt { intid, .. }) if intid.is_private() => Ok(*intid),
        Some(_) => Err(NodeError::Fault(faults.shared)),
        None => Err(NodeError::Fault(faults.missing)),
    }
}
