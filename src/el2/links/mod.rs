//! Links between partitions: their ends in each partition, which are virtio devices, and the lanes
//! in which data are moved; the doorbells of memory that partitions share; disks that are virtio
//! devices; and the virtio device by which a partition reaches its own console.
//!
//! Once guests run, calls into this room are made only through [`LinkPorts`], so that it can be
//! unmapped if the description has no such device.
//!
//! A CPU moves data when its own guest accesses a device, or when it is kicked to go on with what
//! it has begun. It opens the memory of the two partitions for that, and closes both before it
//! returns to its guest. The lock of a lane is only tried: a CPU that finds it held leaves a notice
//! ([`bulkhead::virtio::notices`]).
//!
//! [`LinkPorts`]: crate::el2::partition::LinkPorts

mod build;
mod concern;
mod console;
mod device;
mod disk;
mod doorbell;
mod lane;
mod link;
mod memory;
mod moving;
mod port;
mod port_state;
mod shared_port;
mod socket;
mod status;

pub use build::{devices, doorbells};
pub use link::Links;
pub use memory::DiskMemory;
