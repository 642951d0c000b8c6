//! Emulated devices.
//!
//! A [`Device`] is the state behind a device's registers. Where the registers are, which INTID the
//! interrupt has, which timer waits for a deadline and which lock protects the state is up to EL2.

pub mod address_map;
mod any;
pub mod doorbell;
pub mod facts;
mod line;
pub mod pl011;
pub mod planned;
pub mod watchdog;

use crate::arch::addr::PAGE_SIZE;
use crate::util::ring::Full;

pub use any::AnyDevice;
pub use line::LineNotifier;

/// An emulated device.
///
/// Each method that takes `&mut self` can change [`line`](Self::line) and
/// [`deadline`](Self::deadline): the caller reports the one, by a [`LineNotifier`], and sets a
/// timer to the other.
pub trait Device {
    /// Carries out a load from the register at an offset, and returns its value. The value's bits
    /// above the size of the access are ignored.
    fn read(&mut self, at: Offset, env: &mut Env<'_>) -> u64;

    /// Carries out a store of `value`, whose bits above the size of the access are zero, to the
    /// register at an offset.
    fn write(&mut self, at: Offset, value: u64, env: &mut Env<'_>);

    /// Carries out what has become due without an access: [`deadline`](Self::deadline) has passed,
    /// or the [`Peer`] has bytes or room that it did not have before.
    fn poll(&mut self, env: &mut Env<'_>);

    /// Returns the level of the interrupt: whether it is asserted.
    fn line(&self) -> bool;

    /// Returns the value of [`Env::now`] at which the device must be [polled](Self::poll); `None`
    /// if time alone changes nothing.
    fn deadline(&self) -> Option<u64>;

    /// Returns whether the device demands that its partition ends as crashed, as a watchdog does.
    fn has_fired(&self) -> bool {
        false
    }

    /// Puts the device into the state in which a partition that starts finds it.
    fn reset(&mut self);
}

/// The offset of a register from the start of a device's registers, in bytes.
///
/// The registers of a device can be in several frames of one page each, at addresses that have
/// nothing to do with each other. Their offsets are as if frame followed frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Offset(u64);

impl Offset {
    /// Returns the offset with this number of bytes.
    #[inline(always)]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the offset of the register that is `bytes` (below 4096) from the start of a frame.
    #[inline(always)]
    pub const fn in_frame(frame: u8, bytes: u64) -> Self {
        Self(frame as u64 * PAGE_SIZE + bytes % PAGE_SIZE)
    }

    /// Returns the number of bytes from the start of the first frame.
    #[inline(always)]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the index of the frame.
    #[inline(always)]
    pub const fn frame(self) -> u64 {
        self.0 / PAGE_SIZE
    }

    /// Returns the number of bytes from the start of the frame.
    #[inline(always)]
    pub const fn within_frame(self) -> u64 {
        self.0 % PAGE_SIZE
    }
}

/// What a device needs from outside while EL2 calls it.
pub struct Env<'a> {
    /// The guest's virtual counter (CNTVCT_EL0). It never goes back, except before
    /// [`Device::reset`].
    pub now: u64,
    /// What is connected to a UART.
    pub peer: &'a mut dyn Peer,
}

/// What is at the other end of a UART's line.
pub trait Peer {
    /// Takes a byte that the device sends.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room. The device keeps the byte, and sends it when it is next
    /// [polled](Device::poll).
    fn put(&mut self, byte: u8) -> Result<(), Full>;

    /// Returns the next byte for the device, which has room for it; `None` if there is none.
    fn take(&mut self) -> Option<u8>;
}

/// The [`Peer`] of a device that has no line: it takes no byte and has none.
pub struct NoPeer;

impl Peer for NoPeer {
    fn put(&mut self, _: u8) -> Result<(), Full> {
        Err(Full)
    }

    fn take(&mut self) -> Option<u8> {
        None
    }
}
