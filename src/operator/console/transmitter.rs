//! The UART as the console sends to it.

/// The transmitter of the UART.
pub trait Transmitter {
    /// Returns for how many bytes it is known to have room; 0 if it has none.
    fn room(&mut self) -> usize;

    /// Takes bytes, for which it has room. Returns their number.
    fn put(&mut self, bytes: impl Iterator<Item = u8>) -> usize;
}
