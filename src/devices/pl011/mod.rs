//! Emulates a UART: Arm PrimeCell PL011, revision r1p5 (Arm DDI 0183G), whose FIFOs hold 32 bytes.
//!
//! Stock drivers work as with the hardware. Characters take no time on the line: a byte that the
//! guest writes leaves the transmit FIFO as soon as the [`Peer`] has room, and a receive timeout is
//! raised at once (see [`Pl011::receive`]). While the peer has no room the transmit FIFO fills up
//! and FR.BUSY is set, so that a byte is lost only if the guest writes to a full FIFO.
//!
//! There are no line errors, no overrun (the peer waits for room), no loopback (CR.LBE stays clear)
//! and no modem: its inputs CTS, DSR and DCD are always asserted, so that a driver with hardware
//! flow control transmits.

mod registers;
#[cfg(test)]
mod tests;

use super::{Device, Env, LineNotifier, Offset, Peer};
use crate::util::ring::{Full, Ring};
use registers::*;

pub use registers::{DR, FR};

/// An emulated PL011.
///
/// Each method that takes `&mut self` can change the level of [`Pl011::interrupt_line`].
pub struct Pl011 {
    transmit_fifo: Ring<FIFO_DEPTH>,
    receive_fifo: Ring<FIFO_DEPTH>,
    /// RIS: the interrupts that are raised, masked or not.
    raised: u32,
    /// The registers from ILPR to DMACR as they were written, each cut to its bits in [`WRITABLE`].
    written: [u32; WRITABLE.len()],
    /// The level of the interrupt that [`Pl011::changed_line`] returned last.
    notifier: LineNotifier,
}

impl Default for Pl011 {
    /// Creates a UART as firmware leaves it: enabled, FIFOs on, 115200 8N1 from a 24 MHz clock.
    /// Early consoles write to it without setting it up, which the hardware's own reset state (CR =
    /// 0x300) would not transmit.
    fn default() -> Self {
        let (transmit_fifo, receive_fifo) = (Ring::EMPTY, Ring::EMPTY);
        Self {
            transmit_fifo,
            receive_fifo,
            raised: 0,
            written: AT_START,
            notifier: LineNotifier::LOW,
        }
    }
}

impl Pl011 {
    /// Reads the register at `offset` from the start of the registers, in bytes. Reading DR takes a
    /// byte from the receive FIFO.
    ///
    /// A register answers at its own address, to accesses of any size. Other addresses read as
    /// zero.
    pub fn read(&mut self, offset: u64) -> u64 {
        let value = match offset {
            DR => self.read_data(),
            FR => self.flags(),
            RIS => self.raised,
            MIS => self.raised & self.register(IMSC),
            PERIPH_ID_0..=PCELL_ID_3 if offset.is_multiple_of(4) => {
                IDENTIFICATION[(offset - PERIPH_ID_0) as usize / 4]
            }
            ILPR..=DMACR if offset.is_multiple_of(4) => self.register(offset),
            _ => 0,
        };
        value.into()
    }

    /// Writes `value` to the register at `offset` from the start of the registers, in bytes. The
    /// caller must call [`Pl011::transmit`] next. Writes to other addresses are ignored.
    pub fn write(&mut self, offset: u64, value: u64) {
        let value = value as u32;
        match offset {
            DR => self.write_data(value as u8),
            ICR => self.raised &= !value,
            ILPR..=DMACR if offset.is_multiple_of(4) => self.write_register(offset, value),
            _ => {}
        }
    }

    /// Carries out an access to the register at `offset`: a [write](Pl011::write) of what the guest
    /// stores, which returns zero, or a [read](Pl011::read).
    #[inline(never)]
    pub fn access(&mut self, offset: u64, stored: Option<u64>) -> u64 {
        match stored {
            Some(value) => {
                self.write(offset, value);
                0
            }
            None => self.read(offset),
        }
    }

    /// Returns the value of FR while both FIFOs are empty and the interrupt's level is low: then
    /// reading it has no effect, and there is nothing to transmit and no level to report.
    #[inline(always)]
    pub fn idle_flags(&self) -> Option<u32> {
        const IDLE: u32 = FR_CTS | FR_DSR | FR_DCD | FR_TXFE | FR_RXFE;
        let is_empty = self.transmit_fifo.is_empty() && self.receive_fifo.is_empty();
        (is_empty && !self.interrupt_line()).then_some(IDLE)
    }

    /// Returns whether a write to the register at `offset` changes nothing: of the present value to
    /// IMSC, while the interrupt's level is low. Drivers write it after each piece of output.
    #[inline(always)]
    pub fn has_no_effect(&self, offset: u64, value: u64) -> bool {
        offset == IMSC && value == self.register(IMSC).into() && !self.interrupt_line()
    }

    /// Writes a byte to DR and passes it to `sink` at once, provided that the transmit FIFO is
    /// empty and that the interrupt's level is low and stays low. Returns whether `sink` took the
    /// byte; if not, nothing was done.
    #[inline(always)]
    pub fn pass(&mut self, byte: u8, sink: impl FnOnce(u8) -> bool) -> bool {
        let raised = self.raised | INTERRUPT_TX;
        let is_all = self.is_enabled(CR_TXE)
            && self.transmit_fifo.is_empty()
            && raised & self.register(IMSC) == 0;
        let passes = is_all && sink(byte);
        if passes {
            self.raised = raised;
        }
        passes
    }

    /// Passes bytes from the transmit FIFO to `sink` until the FIFO is empty or `sink` full. The
    /// caller calls it after each write of the guest, and when a full `sink` has room again.
    ///
    /// The transmit interrupt is raised when a byte has left and IFLS's level or fewer remain.
    /// Hardware raises it only if there were more before. Drivers do not notice the difference:
    /// they fill the FIFO above the level first, as hardware requires.
    pub fn transmit(&mut self, sink: &mut dyn FnMut(u8) -> Result<(), Full>) {
        if !self.is_enabled(CR_TXE) {
            return;
        }
        while let Some(byte) = self.transmit_fifo.peek()
            && sink(byte).is_ok()
        {
            self.transmit_fifo.pop();
            if self.transmit_fifo.len() <= self.transmit_level() {
                self.raised |= INTERRUPT_TX;
            }
        }
    }

    /// Passes the bytes that were written and not transmitted to `sink`, in order and in two parts,
    /// when the guest has ended. The transmit FIFO is empty then.
    pub fn take_unsent(&mut self, sink: impl FnMut(&[u8])) {
        self.transmit_fifo.parts().into_iter().for_each(sink);
        self.transmit_fifo = Ring::EMPTY;
    }

    /// Puts a byte from the peer into the receive FIFO. A receiver that is disabled drops it as
    /// hardware does.
    ///
    /// Below IFLS's level the receive timeout is raised without its delay of 32 bit periods. It
    /// reports a few bytes after which nothing follows, the usual case of what a person types.
    ///
    /// # Errors
    ///
    /// [`Full`] if the guest must read first: the caller keeps the byte until then.
    pub fn receive(&mut self, byte: u8) -> Result<(), Full> {
        if !self.is_enabled(CR_RXE) {
            return Ok(());
        }
        if self.receive_fifo.len() >= self.depth() {
            return Err(Full);
        }
        self.receive_fifo.push(byte)?;
        self.signal_received();
        Ok(())
    }

    /// Returns whether bytes wait for [`Pl011::transmit`]: FR.BUSY.
    pub fn is_busy(&self) -> bool {
        !self.transmit_fifo.is_empty()
    }

    /// Returns the level of UARTINTR, the combined interrupt.
    #[inline(always)]
    pub fn interrupt_line(&self) -> bool {
        self.raised & self.register(IMSC) != 0
    }

    /// Returns the level of UARTINTR if the interrupt controller must be notified, as
    /// [`LineNotifier::update`] does.
    pub fn changed_line(&mut self) -> Option<bool> {
        let level = self.interrupt_line();
        self.notifier.update(level)
    }

    /// Moves bytes between the FIFOs and the peer until none can be moved in either direction.
    ///
    /// A peer that is full may have room again after a byte was taken from it, as the monitor has
    /// when it has carried out a line.
    fn exchange(&mut self, peer: &mut dyn Peer) {
        let mut moved = true;
        while moved {
            moved = false;
            self.transmit(&mut |byte| peer.put(byte).inspect(|()| moved = true));
            while self.can_receive()
                && let Some(byte) = peer.take()
            {
                moved |= self.receive(byte).is_ok();
            }
            moved &= self.is_busy();
        }
    }

    /// Returns whether [`Pl011::receive`] takes a byte.
    fn can_receive(&self) -> bool {
        !self.is_enabled(CR_RXE) || self.receive_fifo.len() < self.depth()
    }

    #[inline(always)]
    fn register(&self, offset: u64) -> u32 {
        self.written[index(offset)]
    }

    fn write_register(&mut self, offset: u64, value: u32) {
        let old = self.register(offset);
        let new = value & WRITABLE[index(offset)];
        self.written[index(offset)] = new;
        // Enabling or disabling the FIFOs drops received bytes, as in hardware. Written bytes stay:
        // hardware would have sent them by then.
        if offset == LCR_H && (old ^ new) & LCR_H_FEN != 0 {
            self.receive_fifo = Ring::EMPTY;
            self.raised &= !(INTERRUPT_RX | INTERRUPT_RT);
        }
        if offset == IFLS {
            self.signal_received();
        }
    }

    fn read_data(&mut self) -> u32 {
        let Some(byte) = self.receive_fifo.pop() else {
            return 0;
        };
        if self.receive_fifo.len() < self.receive_level() {
            self.raised &= !INTERRUPT_RX;
        }
        if self.receive_fifo.is_empty() {
            self.raised &= !INTERRUPT_RT;
        }
        self.signal_received();
        byte.into()
    }

    fn write_data(&mut self, byte: u8) {
        let has_room = self.transmit_fifo.len() < self.depth();
        let taken = has_room && self.transmit_fifo.push(byte).is_ok();
        if taken && self.transmit_fifo.len() > self.transmit_level() {
            self.raised &= !INTERRUPT_TX;
        }
    }

    fn flags(&self) -> u32 {
        let (sent, received) = (&self.transmit_fifo, &self.receive_fifo);
        let mut flags = FR_CTS | FR_DSR | FR_DCD;
        flags |= if sent.is_empty() { FR_TXFE } else { FR_BUSY };
        flags |= if sent.len() >= self.depth() { FR_TXFF } else { 0 };
        flags |= if received.is_empty() { FR_RXFE } else { 0 };
        flags | if received.len() >= self.depth() { FR_RXFF } else { 0 }
    }

    /// Raises the receive interrupt or the receive timeout, by how full the receive FIFO is.
    fn signal_received(&mut self) {
        if self.receive_fifo.len() >= self.receive_level() {
            self.raised |= INTERRUPT_RX;
        } else if !self.receive_fifo.is_empty() {
            self.raised |= INTERRUPT_RT;
        }
    }

    fn is_enabled(&self, direction: u32) -> bool {
        let needed = CR_UARTEN | direction;
        self.register(CR) & needed == needed
    }

    fn has_fifos(&self) -> bool {
        self.register(LCR_H) & LCR_H_FEN != 0
    }

    fn depth(&self) -> usize {
        if self.has_fifos() { FIFO_DEPTH } else { 1 }
    }

    /// Returns how many bytes may be left in the transmit FIFO for its interrupt to be raised.
    fn transmit_level(&self) -> usize {
        self.level(IFLS_TX).unwrap_or(0)
    }

    /// Returns how many bytes in the receive FIFO raise its interrupt.
    fn receive_level(&self) -> usize {
        self.level(IFLS_RX).unwrap_or(1)
    }

    fn level(&self, field: u32) -> Option<usize> {
        self.has_fifos().then(|| FIFO_LEVELS[(self.register(IFLS) >> field & 7) as usize])
    }
}

impl Device for Pl011 {
    fn read(&mut self, at: Offset, env: &mut Env<'_>) -> u64 {
        let value = self.access(at.get(), None);
        self.exchange(env.peer);
        value
    }

    fn write(&mut self, at: Offset, value: u64, env: &mut Env<'_>) {
        self.access(at.get(), Some(value));
        self.exchange(env.peer);
    }

    fn poll(&mut self, env: &mut Env<'_>) {
        self.exchange(env.peer);
    }

    fn line(&self) -> bool {
        self.interrupt_line()
    }

    /// Characters take no time.
    fn deadline(&self) -> Option<u64> {
        None
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Returns the index in [`WRITABLE`] of a register from ILPR to DMACR.
const fn index(offset: u64) -> usize {
    (offset - ILPR) as usize / 4
}
