//! Tests of virtio devices with drivers that behave well, and with hostile ones.

mod driver;
mod memory;
mod network;
