//! A list that keeps EL2 small: the look-up of an element is one function, not inlined wherever an
//! element is used.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut, Index, IndexMut};

/// A list of values, used as a slice.
#[derive(Debug)]
pub struct Indexed<T>(Vec<T>);

impl<T> From<Vec<T>> for Indexed<T> {
    #[inline(always)]
    fn from(values: Vec<T>) -> Self {
        Self(values)
    }
}

impl<T> Indexed<T> {
    /// Returns the number of values.
    // Not that of the slice, of which the compiler does not know that it is far below `usize::MAX`.
    #[expect(clippy::len_without_is_empty, reason = "the slice has `is_empty`")]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the value at an index. Not in `index`, which would have the caller's location as a
    /// further argument.
    #[inline(never)]
    fn at(&self, index: usize) -> &T {
        &self.0[index]
    }

    /// Returns the value at an index for modification.
    #[inline(never)]
    fn at_mut(&mut self, index: usize) -> &mut T {
        &mut self.0[index]
    }
}

impl<T> Deref for Indexed<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for Indexed<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

/// Returns the value at an index.
///
/// # Panics
///
/// If there is none.
impl<T> Index<usize> for Indexed<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, index: usize) -> &T {
        self.at(index)
    }
}

impl<T> IndexMut<usize> for Indexed<T> {
    #[inline(always)]
    fn index_mut(&mut self, index: usize) -> &mut T {
        self.at_mut(index)
    }
}
