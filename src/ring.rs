//! A queue of fixed length, for bytes on their way through a UART.

/// There is no room now. The byte was not taken: offer it again later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// A first-in first-out queue of at most `N` items.
#[derive(Clone, Debug)]
pub struct Ring<T, const N: usize> {
    items: [T; N],
    first: usize,
    len: usize,
}

impl<T: Copy + Default, const N: usize> Default for Ring<T, N> {
    fn default() -> Self {
        Self { items: [T::default(); N], first: 0, len: 0 }
    }
}

impl<T: Copy + Default, const N: usize> Ring<T, N> {
    /// Adds `item` at the end.
    ///
    /// # Errors
    ///
    /// [`Full`] if there are `N` items already.
    pub fn push(&mut self, item: T) -> Result<(), Full> {
        if self.len == N {
            return Err(Full);
        }
        self.items[(self.first + self.len) % N] = item;
        self.len += 1;
        Ok(())
    }

    /// Takes the item that has been here longest.
    pub fn pop(&mut self) -> Option<T> {
        let item = self.peek()?;
        self.first = (self.first + 1) % N;
        self.len -= 1;
        Some(item)
    }

    /// The item that [`Ring::pop`] would take.
    #[must_use]
    pub fn peek(&self) -> Option<T> {
        (self.len > 0).then(|| self.items[self.first])
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many more fit.
    #[must_use]
    pub fn room(&self) -> usize {
        N - self.len
    }

    /// Drops all items.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_across_the_end() {
        let mut ring = Ring::<u8, 4>::default();
        for round in 0..10 {
            for item in 0..4 {
                assert_eq!(ring.push(round * 4 + item), Ok(()));
            }
            assert_eq!((ring.push(99), ring.room()), (Err(Full), 0));
            for item in 0..3 {
                assert_eq!(ring.pop(), Some(round * 4 + item));
            }
            ring.clear();
            assert_eq!((ring.pop(), ring.len()), (None, 0));
        }
    }
}
