//! PCI Express: host bridges of the machine, the functions below them, and what guests see of those.
//!
//! Boot looks at a host bridge only if the description names one of its functions. It then switches
//! off everything below that bridge, numbers the buses, and asks each function for its size and its
//! abilities. What a function answers is checked: it may be broken, or say anything.

mod bars;
mod capabilities;
mod enumerate;
mod extended;
mod host;
#[cfg(test)]
pub(crate) mod tests;
mod view;

use alloc::vec::Vec;
use core::fmt;

use crate::boot::msi::MessageSource;
use crate::pci::registers::{MSI, MSI_X};
use crate::pci::{Address, ResetMethod};

pub use bars::Bar;
pub use capabilities::Capability;
pub use enumerate::functions;
pub use host::{BusWindow, HostBridge};
pub use view::view;

/// What boot has found out about a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PciFunction {
    /// Its host bridge, as an index into [`Machine::host_bridges`].
    ///
    /// [`Machine::host_bridges`]: crate::boot::machine::Machine::host_bridges
    pub bridge: usize,
    /// Its address.
    pub address: Address,
    /// What kind of function it is.
    pub kind: Kind,
    /// The bridges between it and the host bridge, the outermost first.
    pub ports: Vec<Address>,
    /// Whether the outermost of them checks its Requester ID and sends its accesses to the host bridge
    /// alone, by ACS. True if there is none.
    pub is_isolated: bool,
    /// Its memory.
    pub bars: Vec<Bar>,
    /// Its interrupt pin, 1 (INTA) to 4; 0 if it has none.
    pub pin: u8,
    /// Its list of capabilities, as far as it is valid.
    pub capabilities: Vec<Capability>,
    /// How it is reset.
    pub reset: ResetMethod,
    /// The source of its messages, if something takes them that Bulkhead drives.
    pub source: Option<MessageSource>,
}

impl PciFunction {
    /// Returns the number of its messages: the larger of those that its capabilities MSI and MSI-X
    /// say (PCIe 7.7.1.2, 7.7.2.2), 0 if it has neither.
    pub fn messages(&self) -> u32 {
        let count = |it: &Capability| match it.id {
            MSI => 1 << (it.upper >> 1 & 0b111).min(5),
            MSI_X => u32::from(it.upper & 0x7ff) + 1,
            _ => 0,
        };
        self.capabilities.iter().map(count).max().unwrap_or(0)
    }
}

/// Whether a function can be given to a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It can.
    Endpoint,
    /// It leads to other buses.
    Bridge,
    /// It cannot, for this reason: the rest of a sentence that begins with its name.
    Unusable(&'static str),
}

/// The unit address of a function's node: `DEVICE,FUNCTION` in hexadecimal (IEEE 1275, PCI bus
/// binding, 2.2.1.3).
pub struct Unit(pub Address);

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x},{:x}", self.0.device(), self.0.function())
    }
}
