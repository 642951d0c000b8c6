//! System MMUs while guests run: opens and closes the streams of partitions, and reports the
//! accesses of devices that were refused. Beside them, the ITS that takes the messages of functions,
//! all of which are behind SMMUs.
//!
//! Once guests run, calls into this room are made only through [`Streams`], [`SmmuInterrupts`] and
//! [`Messages`], so that it can be unmapped if no partition has a device behind an SMMU.
//!
//! The locks of an SMMU's queues are only tried. Who closes a partition's streams, which must
//! happen before its memory is scrubbed, tries again and sees to its CPU's interrupts meanwhile.
//!
//! [`Streams`]: crate::el2::partition::Streams
//! [`SmmuInterrupts`]: crate::el2::partition::SmmuInterrupts
//! [`Messages`]: crate::el2::partition::Messages

mod commands;
mod events;
mod its;
mod smmu;

pub use commands::CommandQueue;
pub use events::EventQueue;
pub use its::{Its, ItsQueue, Source};
pub use smmu::{OwnedStream, Smmu, Smmus, streams};
