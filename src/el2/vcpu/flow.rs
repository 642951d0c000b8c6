//! What a CPU does after it has handled an exit.

/// The result of every handler of an exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Flow {
    /// The guest continues.
    Resume,
    /// The vCPU stops running its guest, and the CPU returns to the run loop.
    Leave,
}
