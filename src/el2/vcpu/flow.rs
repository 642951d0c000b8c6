//! What a CPU does after an exit from a guest.

/// Returned by every handler of an exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Flow {
    /// The guest runs on.
    Resume,
    /// The vCPU leaves its guest: the run loop goes on.
    Leave,
}
