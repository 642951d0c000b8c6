//! Emulated devices.

pub mod address_map;
pub mod frame;
pub mod pl011;
pub mod watchdog;
