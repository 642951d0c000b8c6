//! Refusals of descriptions.

use alloc::format;
use alloc::string::String;
use core::fmt;

use crate::boot::fdt::TreeError;
use crate::boot::text::printable;

/// Why a description is refused: one sentence without a full stop, which names the node, the
/// property and the value, and says what would be right.
///
/// The sentence is leaked, since boot ends with a refusal. So an error is two words without a
/// destructor, which makes it cheap to pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanError(&'static str);

/// The result of functions that may refuse a description.
pub(crate) type Result<T, E = PlanError> = core::result::Result<T, E>;

impl PlanError {
    /// Creates the error of the node at the path `node`, with the rest of the sentence.
    #[cold]
    #[inline(never)]
    pub(crate) fn new(node: &str, rest: fmt::Arguments<'_>) -> Self {
        Self(String::leak(printable(&format!("{node}{rest}"))))
    }
}

impl From<TreeError> for PlanError {
    fn from(error: TreeError) -> Self {
        Self::new("the system description", format_args!(" is {error}"))
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Returns from a function with the error of the node at a path; the other arguments, those of
/// `format!`, are the rest of the sentence.
macro_rules! refuse {
    ($node:expr, $($rest:tt)*) => {
        return Err($crate::boot::description::PlanError::new(&$node, format_args!($($rest)*)))
    };
}
pub(crate) use refuse;

/// Displays the value of a property of cells in the syntax of a description, as in `<0x0 0x1>`.
pub(crate) struct Cells<'v>(pub &'v [u8]);

impl fmt::Display for Cells<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "<";
        for cell in self.0.as_chunks().0 {
            write!(f, "{separator}{:#x}", u32::from_be_bytes(*cell))?;
            separator = " ";
        }
        f.write_str(">")
    }
}
