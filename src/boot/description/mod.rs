//! Reads system descriptions, without knowledge of the machine.

mod bulkhead;
mod copies;
mod cpus;
mod disks;
mod emulated;
mod error;
mod fields;
mod image;
mod links;
mod passthrough;
mod shared_memory;
mod source;
mod xen_domain;

pub use bulkhead::{Description, DeviceRequest, KernelDescription, PartitionDescription};
pub use cpus::CpuRequest;
pub use disks::{DISK_ALIGN, DiskContents, DiskDescription};
pub use error::PlanError;
pub(crate) use error::{Cells, Result, refuse};
pub use image::Image;
pub use links::LinkDescription;
pub use shared_memory::SharedMemoryDescription;
pub use source::{ImageDescription, Peek};
pub use xen_domain::{has_domains, read as read_domains};
