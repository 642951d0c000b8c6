//! Access to the CPU: registers, caches, barriers, locks, the image's layout, and calls to
//! firmware.

pub mod cache;
mod context;
pub mod control;
pub mod firmware;
pub mod frame;
pub mod id_registers;
pub mod image;
#[cfg(feature = "check-locks")]
pub mod lock_checks;
pub mod memory;
mod register_files;
pub mod registers;
pub mod reset;
pub mod sync;
