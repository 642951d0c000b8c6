//! What boot decides about an interrupt translation service: whether it can be used, and where its
//! tables are and what they contain (IHI 0069, chapter 5).

pub mod features;
pub mod layout;
pub mod registers;

pub use features::Features;
pub use layout::Layout;
