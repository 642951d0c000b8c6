//! AArch64 system registers: how they are encoded, what the CPU's features are, and which registers
//! belong to each.

mod encoding;
mod id;
mod table;
#[cfg(test)]
pub(crate) mod tests;

pub use crate::system_register_table;
pub use encoding::Encoding;
pub use id::{Field, IdRegisters, field};
