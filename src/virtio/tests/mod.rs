//! Tests of virtio devices with drivers that behave well, and with hostile ones.

mod counters;
mod disk;
mod driver;
mod frames;
mod hostile;
mod machine;
mod memory;
mod network;
mod queue;
mod registers;
mod streams;
mod terminal;
