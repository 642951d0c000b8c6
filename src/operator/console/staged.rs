//! The bytes that are ready for the UART.

use super::channel::TAIL_BYTES;

/// Capacity of the staging buffer: a name with its brackets, line breaks before and after it, and
/// a line that is redrawn.
const STAGED_BYTES: usize = 64 + TAIL_BYTES;

/// Bytes that are ready for the UART. More are staged only when all of them are sent.
pub(super) struct Staged {
    bytes: [u8; STAGED_BYTES],
    /// The number of bytes that are sent.
    sent: usize,
    /// The number of bytes that were staged, the sent ones among them.
    end: usize,
}

impl Staged {
    /// No bytes.
    pub const EMPTY: Self = Self { bytes: [0; STAGED_BYTES], sent: 0, end: 0 };

    /// Returns the bytes that are not sent.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.sent..self.end).unwrap_or_default()
    }

    /// Returns the number of bytes that are not sent.
    pub const fn len(&self) -> usize {
        self.end.wrapping_sub(self.sent)
    }

    /// Returns whether all bytes are sent.
    pub const fn is_empty(&self) -> bool {
        self.end == self.sent
    }

    /// Records that the first `count` bytes are sent, of which there are as many.
    pub const fn sent(&mut self, count: usize) {
        self.sent = self.sent.wrapping_add(count);
        if self.is_empty() {
            (self.sent, self.end) = (0, 0);
        }
    }

    /// Adds a byte, for which there is room.
    // One copy for all callers.
    #[inline(never)]
    pub fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.end) {
            *place = byte;
            self.end = self.end.wrapping_add(1);
        }
    }

    /// Adds bytes, for which there is room.
    // One copy for all callers.
    #[inline(never)]
    pub fn extend(&mut self, bytes: &[u8]) {
        let end = self.end.wrapping_add(bytes.len());
        if let Some(room) = self.bytes.get_mut(self.end..end) {
            room.copy_from_slice(bytes);
            self.end = end;
        }
    }
}
