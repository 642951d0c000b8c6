//! What boot decides about System MMUs: whether one can be used, and what its tables contain (Arm
//! IHI 0070).

pub mod features;
pub mod registers;
pub mod stream_table;

pub use features::Features;
pub use stream_table::{Layout, Reached};
