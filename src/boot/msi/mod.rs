//! What boot decides about an interrupt translation service: whether it can be used, and where its
//! tables are and what they contain (IHI 0069, chapter 5).

pub mod features;
pub mod layout;
pub mod registers;

pub use features::Features;
pub use layout::Layout;

/// The source of a function's messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageSource {
    /// The controller, as an index into
    /// [`Machine::message_controllers`](crate::boot::machine::Machine::message_controllers).
    pub controller: usize,
    /// The number by which the controller knows the function: the DeviceID of an ITS.
    pub id: u32,
}
