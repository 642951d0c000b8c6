//! The interrupt controller that a guest sees.
//!
//! The guest's CPU interface is the hardware's virtual one (GICV, or the ICV registers), and each
//! vCPU has a physical CPU to itself. What is emulated is the distributor and, on GICv3, the
//! redistributors (IHI 0048B, IHI 0069), by one [`Vgic`] for each partition, whose lock EL2 holds. An
//! interrupt that only goes into a list register does so without it: see [`Arrivals`].
//!
//! A *hardware* interrupt is a physical one that the partition owns. Until EL2 acknowledges it the
//! physical GIC knows best, so the guest's writes are passed on to it; then it is pending here, and
//! physically active until the guest deactivates it through its list register. Its physical
//! priority is constant, the one that the guest sets counts in the list register. A *software*
//! interrupt has nothing behind it: SGIs, and those that Bulkhead raises by [`Vgic::set_line`]. A physical
//! SGI may carry one to its target, on GICv3 one of Group 1: it is deactivated as soon as it arrives.
//!
//! That is [`Delivery::Trapped`]. With [`Delivery::Direct`] there are no list registers: see `direct`.
//!
//! Out of reset all interrupts are disabled, in Group 0, of priority 0, level-sensitive and, on
//! GICv3, routed to affinity 0; but GICv2's SGIs are enabled, since in most implementations they
//! are always.
//!
//! Known limits, all from physical interrupts and list registers being what they are:
//! - A hardware interrupt that EL2 has taken stays pending when its line falls, and an edge that
//!   comes before the guest acknowledges it makes it pending once more.
//! - With EOImode 1 an SGI from a second source waits until the first is deactivated, and on GICv3
//!   an SPI is deactivated only by the vCPU that acknowledged it.
//! - While active interrupts do not fit into the list registers, an EOI of one of those ends the most
//!   urgent of them, which is another if the guest itself made that one active, or this one inactive.

mod access;
mod arrivals;
mod backend;
mod bank;
mod config;
mod controller;
mod cpu_mask;
mod delivery;
mod direct;
mod emulation;
mod frames;
mod hardware;
mod interface;
mod intid_set;
mod list_register;
mod list_registers;
mod recall;
mod registers;
mod request;
mod routing;
mod selection;
mod sgi;
mod sgir;
mod state;

#[cfg(test)]
mod tests;

pub use access::RegisterAccess;
pub use arrivals::Arrivals;
pub use config::{Config, Delivery, Version};
pub use controller::Vgic;
pub use cpu_mask::CpuMask;
pub use hardware::{Hardware, StateRegister};
pub use interface::{CpuInterfaceRegister, Priorities};
pub use intid_set::IntidSet;
pub use list_register::ListRegister;
pub use recall::{Kicks, Recall};
pub use registers::{gather, spread};
pub use request::Request;
pub use sgi::{SgiRegister, SgiRequest, SgiRoute};
pub use sgir::SgirRoute;
