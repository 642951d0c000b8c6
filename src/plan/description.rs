//! The system description, read into plain data.

/// What the system description says: every partition that it describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {}
