//! Private interrupts in device nodes.

use crate::arch::intid::{Interrupt, Intid};
use crate::boot::fdt::NodeError;

/// Returns the INTID of an interrupt that must be private to each CPU (a PPI).
///
/// # Errors
///
/// `fault`, a clause about the node, if the interrupt is missing or is an SPI.
pub(super) fn ppi(interrupt: Option<&Interrupt>, fault: &'static str) -> Result<Intid, NodeError> {
    match interrupt {
        Some(Interrupt { intid, .. }) if intid.is_private() => Ok(*intid),
        _ => Err(NodeError::Fault(fault)),
    }
}
