//! Damage to flattened device trees, the same in every run.

mod layout;
mod mutate;
mod random;

pub use layout::pack;
pub use mutate::mutate;
pub use random::Random;
