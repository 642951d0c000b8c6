//! A byte queue of fixed capacity, as a UART has.

/// The error of a full queue. The byte was not added; the caller may retry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// A first-in first-out queue of at most `N` bytes.
pub struct Ring<const N: usize> {
    bytes: [u8; N],
    used: Used,
}

/// The part of a queue's bytes that is in use.
struct Used {
    first: usize,
    len: usize,
}

impl<const N: usize> Ring<N> {
    /// An empty queue.
    pub const EMPTY: Self = Self { bytes: [0; N], used: Used { first: 0, len: 0 } };

    /// Adds `byte` at the end.
    ///
    /// # Errors
    ///
    /// [`Full`] if the queue has `N` bytes.
    pub fn push(&mut self, byte: u8) -> Result<(), Full> {
        self.used.push(&mut self.bytes, byte)
    }

    /// Adds as many of `bytes` at the end as there is room for.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.used.extend(&mut self.bytes, bytes);
    }

    /// Takes the oldest byte.
    pub fn pop(&mut self) -> Option<u8> {
        self.used.pop(&self.bytes)
    }

    /// Returns the oldest byte without taking it.
    pub fn peek(&self) -> Option<u8> {
        if self.used.len == 0 { None } else { self.bytes.get(self.used.first).copied() }
    }

    /// Returns all bytes in order, in two parts.
    pub fn parts(&self) -> [&[u8]; 2] {
        let Used { first, len } = self.used;
        let (before, after) = self.bytes.split_at(first.min(N));
        let count = len.min(after.len());
        [&after[..count], before.get(..len - count).unwrap_or_default()]
    }

    /// Returns the number of bytes in the queue.
    pub const fn len(&self) -> usize {
        self.used.len
    }

    /// Returns whether the queue has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.used.len == 0
    }
}

// Not generic, so that queues of all capacities share this code.
impl Used {
    #[inline(never)]
    fn push(&mut self, bytes: &mut [u8], byte: u8) -> Result<(), Full> {
        self.put(bytes, byte)
    }

    #[inline(never)]
    fn extend(&mut self, bytes: &mut [u8], new: &[u8]) {
        for byte in new {
            if self.put(bytes, *byte).is_err() {
                break;
            }
        }
    }

    #[inline(always)]
    fn put(&mut self, bytes: &mut [u8], byte: u8) -> Result<(), Full> {
        if self.len >= bytes.len() {
            return Err(Full);
        }
        let end = self.first.wrapping_add(self.len);
        let wraps = end >= bytes.len();
        let place = bytes.get_mut(if wraps { end - bytes.len() } else { end }).ok_or(Full)?;
        *place = byte;
        self.len = self.len.wrapping_add(1);
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
    fn bytes_come_out_in_order_across_the_wrap() {
        let mut ring = Ring::<4>::EMPTY;
        for round in 0..10 {
            for item in 0..4 {
                assert_eq!(ring.push(round * 4 + item), Ok(()));
            }
            assert_eq!((ring.push(99), ring.len()), (Err(Full), 4));
            assert_eq!(ring.parts().concat(), [0, 1, 2, 3].map(|item| round * 4 + item));
            for item in 0..3 {
                assert_eq!(ring.peek(), Some(round * 4 + item));
                assert_eq!(ring.pop(), Some(round * 4 + item));
            }
            ring.extend(&[100, 101, 102, 103]);
            assert_eq!((ring.pop(), ring.len()), (Some(round * 4 + 3), 3));
            for item in 100..103 {
                assert_eq!(ring.pop(), Some(item));
            }
            assert_eq!((ring.pop(), ring.len()), (None, 0));
        }
    }
}
