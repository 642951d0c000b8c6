//! Interrupts by messages (MSIs) while guests run: the commands to an interrupt translation service
//! (ITS, IHI 0069, chapter 5), and the frame by which a guest has its functions send messages.
//!
//! A guest sees the frame of a GICv2m: its kernel has a function write the number of an SPI to the
//! frame's register [`frame::SETSPI`]. In the SMMU's tables that page is one of the hardware: that of
//! the ITS, whose register for messages has the same offset, or that of a GICv2m. An ITS
//! takes the number as the EventID; it has a mapping to an LPI for each SPI that the guest's frame
//! has, and for no other. EL2 injects the LPI as that SPI ([`Intid::of_lpi`]).
//!
//! These are parts of wings: code that is unmapped unless a description gives functions away.
//!
//! [`Intid::of_lpi`]: crate::arch::intid::Intid::of_lpi

pub mod command;
pub mod frame;
