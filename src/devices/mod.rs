//! Emulated devices.

pub mod address_map;
pub mod pl011;
pub mod planned;
pub mod watchdog;
