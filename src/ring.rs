//! A queue of fixed length, for bytes on their way through a UART.

/// There is no room now. The byte was not taken: offer it again later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// A first-in first-out queue of at most `N` bytes.
pub struct Ring<const N: usize> {
    bytes: [u8; N],
    first: usize,
    len: usize,
}

impl<const N: usize> Ring<N> {
    /// A queue with nothing in it.
    pub const EMPTY: Self = Self { bytes: [0; N], first: 0, len: 0 };

    /// Adds `byte` at the end.
    ///
    /// # Errors
    ///
    /// [`Full`] if there are `N` bytes already.
    pub fn push(&mut self, byte: u8) -> Result<(), Full> {
        if self.len >= N {
            return Err(Full);
        }
        self.bytes[self.first.wrapping_add(self.len) % N] = byte;
        self.len += 1;
        Ok(())
    }

    /// Takes the byte that has been here longest.
    pub fn pop(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.first = self.first.wrapping_add(1) % N;
        self.len -= 1;
        Some(byte)
    }

    /// The byte that [`Ring::pop`] would take.
    pub fn peek(&self) -> Option<u8> {
        if self.len == 0 { None } else { Some(self.bytes[self.first % N]) }
    }

    /// How many bytes there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_across_the_end() {
        let mut ring = Ring::<4>::EMPTY;
        for round in 0..10 {
            for item in 0..4 {
                assert_eq!(ring.push(round * 4 + item), Ok(()));
            }
            assert_eq!((ring.push(99), ring.len()), (Err(Full), 4));
            for item in 0..3 {
                assert_eq!(ring.peek(), Some(round * 4 + item));
                assert_eq!(ring.pop(), Some(round * 4 + item));
            }
            assert_eq!(ring.pop(), Some(round * 4 + 3));
            assert_eq!((ring.pop(), ring.len()), (None, 0));
        }
    }
}
