//! A queue of fixed length, for bytes on their way through a UART.

/// There is no room now. The byte was not taken: offer it again later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// A first-in first-out queue of at most `N` bytes.
pub struct Ring<const N: usize> {
    bytes: [u8; N],
    used: Used,
}

/// Which of a queue's bytes are in use.
struct Used {
    first: usize,
    len: usize,
}

impl<const N: usize> Ring<N> {
    /// A queue with nothing in it.
    pub const EMPTY: Self = Self { bytes: [0; N], used: Used { first: 0, len: 0 } };

    /// Adds `byte` at the end.
    ///
    /// # Errors
    ///
    /// [`Full`] if there are `N` bytes already.
    pub fn push(&mut self, byte: u8) -> Result<(), Full> {
        self.used.push(&mut self.bytes, byte)
    }

    /// Adds `bytes` at the end, as many as there is room for.
    #[inline(never)]
    pub fn extend(&mut self, bytes: &[u8]) {
        for byte in bytes {
            _ = self.push(*byte);
        }
    }

    /// Takes the byte that has been here longest.
    pub fn pop(&mut self) -> Option<u8> {
        self.used.pop(&self.bytes)
    }

    /// The byte that [`Ring::pop`] would take.
    pub fn peek(&self) -> Option<u8> {
        if self.used.len == 0 { None } else { self.bytes.get(self.used.first).copied() }
    }

    /// How many bytes there are.
    pub const fn len(&self) -> usize {
        self.used.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.used.len == 0
    }
}

// Apart from the queues, so that there is one of each for queues of all lengths.
impl Used {
    #[inline(never)]
    fn push(&mut self, bytes: &mut [u8], byte: u8) -> Result<(), Full> {
        if self.len >= bytes.len() {
            return Err(Full);
        }
        let mut last = self.first.wrapping_add(self.len);
        if last >= bytes.len() {
            last -= bytes.len();
        }
        bytes[last] = byte;
        self.len += 1;
        Ok(())
    }

    #[inline(never)]
    fn pop(&mut self, bytes: &[u8]) -> Option<u8> {
        self.len = self.len.checked_sub(1)?;
        let byte = *bytes.get(self.first)?;
        self.first = if self.first + 1 < bytes.len() { self.first + 1 } else { 0 };
        Some(byte)
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
