//! Why a description is refused.

use alloc::format;
use alloc::string::String;
use core::fmt;

use crate::boot::fdt::TreeError;
use crate::boot::text::printable;

/// Why a description is refused: one sentence, without a full stop, that names the node, the
/// property and the value at fault, and says what would be right.
///
/// The sentence is never freed, since nothing runs after a refusal. So an error is two words
/// without a destructor, which cost next to nothing in the many places that pass it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanError(&'static str);

/// What most of planning comes to.
pub(crate) type Result<T, E = PlanError> = core::result::Result<T, E>;

impl PlanError {
    /// The error of the node at the path `node`; `rest` is the rest of the sentence.
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

/// Returns the error of the node at a path, with the rest of the sentence in the words of `format!`.
macro_rules! refuse {
    ($node:expr, $($rest:tt)*) => {
        return Err($crate::boot::description::PlanError::new(&$node, format_args!($($rest)*)))
    };
}
pub(crate) use refuse;

/// The value of a property that consists of cells, the way that a description has it.
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
