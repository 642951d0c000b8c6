//! The emulated interrupt controller of a partition.
//!
//! The guest's CPU interface is the hardware's virtual one (GICV, or the ICV registers), and each
//! vCPU has a physical CPU to itself. This module emulates the distributor and, on GICv3, the
//! redistributors (IHI 0048B, IHI 0069). There is one [`Vgic`] for each partition, protected by a
//! lock of EL2. Only the usual case of an arriving interrupt does not need the lock: see
//! [`Arrivals`].
//!
//! A *hardware* interrupt is backed by a physical interrupt that the partition owns. Until EL2
//! acknowledges it, its state is in the physical GIC, to which the guest's writes are forwarded.
//! From then on it is pending here, and physically active until the guest deactivates it through
//! its list register (HW = 1). Its physical priority is constant; the guest's priority is in the
//! list register.
//!
//! A *virtual-only* interrupt has no physical interrupt: SGIs, and the interrupts that Bulkhead
//! raises by [`Vgic::set_line`]. An SGI can still be transported to its target vCPU by a *physical
//! SGI* of the same number, on GICv3 if it is in Group 1; EL2 deactivates the physical one as soon
//! as it arrives.
//!
//! So are the SPIs for which LPIs stand, the messages of PCI Express functions. An LPI is never active
//! in the physical GIC, so nothing keeps it from arriving while its SPI is active. If that is in a
//! list register of another vCPU than the one that the guest has routed it to since, it waits in
//! memory until it is not (`astray` of `bank`).
//!
//! To *recall* a vCPU's list registers is to move their contents into memory, to *refill* them is
//! to write the most urgent interrupts into them again. Only the vCPU's own CPU can do either. A
//! *kick* makes another vCPU leave its guest to refill.
//!
//! All of this is [`Delivery::Trapped`]. [`Delivery::Direct`] uses no list registers: see `direct`.
//! `backend` is the only code that distinguishes the two.
//!
//! After reset all interrupts are disabled, in Group 0, of priority 0, level-sensitive and, on
//! GICv3, routed to affinity 0; but GICv2's SGIs are enabled, since most implementations cannot
//! disable them.
//!
//! Known limitations, which follow from physical interrupts and list registers:
//! - A hardware interrupt that EL2 acknowledged stays pending when its line falls. An edge before
//!   the guest acknowledges it makes it pending once more.
//! - With EOImode 1 an SGI from a second source waits until the first is deactivated, and on GICv3
//!   an SPI can be deactivated only by the vCPU that acknowledged it.
//! - After a group is disabled in GICD_CTLR, another vCPU can take an interrupt of it until it has
//!   answered a kick, on GICv3 until RWP is zero.
//! - While active interrupts do not fit into the list registers, an EOI of one of those that did
//!   not fit deactivates the one of the highest priority among them. That is another interrupt if
//!   the guest changed an active state by ISACTIVER or ICACTIVER.

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
mod planes;
mod recall;
mod registers;
mod request;
mod routing;
mod selection;
mod sgi;
mod sgir;
mod state;
mod timer_treatment;
mod virtual_timer;

#[cfg(test)]
mod tests;

pub use access::RegisterAccess;
pub use arrivals::{Arrivals, Injection};
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
pub use virtual_timer::{Check, IMASK, ISTATUS, TimerRegisters};
