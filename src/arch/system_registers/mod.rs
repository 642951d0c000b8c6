//! System registers that trap to EL2: what the guest reads, and what its writes do.

mod encoding;
mod id;
#[cfg(test)]
mod tests;

pub use encoding::Encoding;
pub use id::{Field, IdRegisters, field};
