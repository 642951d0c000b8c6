//! The UART that a guest sees: Arm PrimeCell PL011, revision r1p5 (Arm DDI 0183G), whose FIFOs
//! hold 32 bytes.
//!
//! Stock drivers find what they expect of the hardware. Where it would depend on the time that a
//! character takes on the wire, there is none: what the guest writes leaves the transmit FIFO as
//! soon as the console has room, and a receive timeout is raised at once (see
//! [`Pl011::receive`]). If the console has no room the transmit FIFO fills up, and the guest sees
//! a UART that is busy, so nothing is lost unless the guest writes to a full FIFO.
//!
//! There are no line errors, no overrun (who sends waits for room), no loopback (CR.LBE stays clear)
//! and no modem on the line: the modem's inputs are asserted, so that a driver with hardware flow
//! control transmits, and never change.

use crate::util::ring::{Full, Ring};

mod registers;
use registers::*;
pub use registers::{DR, FR};

/// An emulated PL011.
///
/// After every call the level of [`Pl011::interrupt_line`] may be another.
pub struct Pl011 {
    transmit_fifo: Ring<FIFO_DEPTH>,
    receive_fifo: Ring<FIFO_DEPTH>,
    /// RIS: the interrupts that are raised, masked or not.
    raised: u32,
    /// The registers from ILPR to DMACR as they were written, each cut to its bits in [`WRITABLE`].
    written: [u32; WRITABLE.len()],
    /// The level of the interrupt that [`Pl011::changed_line`] told last.
    told_line: bool,
}

impl Default for Pl011 {
    /// A UART as firmware leaves it: enabled, FIFOs on, 115200 8N1 from a 24 MHz clock. Early
    /// consoles write to it without setting it up, while after the hardware's own reset
    /// (CR = 0x300) they would not be heard.
    fn default() -> Self {
        let (transmit_fifo, receive_fifo) = (Ring::EMPTY, Ring::EMPTY);
        Self { transmit_fifo, receive_fifo, raised: 0, written: AT_START, told_line: false }
    }
}

impl Pl011 {
    /// Reads the register at `offset` from the start of the registers. Reading DR takes a byte from
    /// the receive FIFO.
    ///
    /// A register answers at its own address, in any size. What is no register reads as zero.
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

    /// Writes `value` to the register at `offset` from the start of the registers;
    /// [`Pl011::transmit`] must be called next. What is no register ignores it.
    pub fn write(&mut self, offset: u64, value: u64) {
        let value = value as u32;
        match offset {
            DR => self.write_data(value as u8),
            ICR => self.raised &= !value,
            ILPR..=DMACR if offset.is_multiple_of(4) => self.write_register(offset, value),
            _ => {}
        }
    }

    /// An access of the guest's to the register at `offset`: [`Pl011::write`] of what it stored, or
    /// [`Pl011::read`].
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

    /// FR, where reading it is nothing but that: nothing is in a FIFO that might be moved on, and the
    /// interrupt's level is low.
    #[inline(always)]
    pub fn idle_flags(&self) -> Option<u64> {
        const IDLE: u32 = FR_CTS | FR_DSR | FR_DCD | FR_TXFE | FR_RXFE;
        let is_empty = self.transmit_fifo.is_empty() && self.receive_fifo.is_empty();
        (is_empty && !self.interrupt_line()).then_some(IDLE as u64)
    }

    /// Writes a byte to DR and hands it to `sink`, where that is all: nothing else waits for `sink`, and
    /// the interrupt's level is low and stays so. Whether `sink` took it; if not nothing was done.
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

    /// Hands what the guest has written to `sink`, until that is full or all is gone. To be called
    /// after every write of the guest, and when there is room again where there was none.
    ///
    /// The transmit interrupt is raised when bytes have left and no more than the level of IFLS
    /// remain. Hardware wants the FIFO to have been above the level before; drivers that fill it
    /// first, as those for the hardware must, cannot tell.
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

    /// Puts a byte that comes from outside into the receive FIFO. A receiver that is off drops it as
    /// hardware does.
    ///
    /// Below the level of IFLS the receive timeout is raised without any delay: it is there to tell
    /// the guest of a few bytes after which nothing comes, and what a person types is just that.
    ///
    /// # Errors
    ///
    /// [`Full`] if the guest must read first: keep the byte until then.
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

    /// Whether bytes wait for [`Pl011::transmit`]: FR.BUSY.
    pub fn is_busy(&self) -> bool {
        !self.transmit_fifo.is_empty()
    }

    /// The level of UARTINTR, the combined interrupt.
    #[inline(always)]
    pub fn interrupt_line(&self) -> bool {
        self.raised & self.register(IMSC) != 0
    }

    /// The same, if the interrupt controller is to be told: after each access while it is high, and once
    /// it is low again.
    pub fn changed_line(&mut self) -> Option<bool> {
        let line = self.interrupt_line();
        let before = core::mem::replace(&mut self.told_line, line);
        (line || before).then_some(line)
    }

    #[inline(always)]
    fn register(&self, offset: u64) -> u32 {
        self.written[index(offset)]
    }

    fn write_register(&mut self, offset: u64, value: u32) {
        let old = self.register(offset);
        let new = value & WRITABLE[index(offset)];
        self.written[index(offset)] = new;
        // Turning the FIFOs on or off drops what was received, as in hardware. What was written
        // stays, since hardware would have sent it by then.
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

    /// Raises the interrupt that tells the guest of what is in the receive FIFO.
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

    /// The transmit interrupt is raised when this many bytes or fewer are left.
    fn transmit_level(&self) -> usize {
        self.level(IFLS_TX).unwrap_or(0)
    }

    /// The receive interrupt is raised when this many bytes or more are there.
    fn receive_level(&self) -> usize {
        self.level(IFLS_RX).unwrap_or(1)
    }

    fn level(&self, field: u32) -> Option<usize> {
        self.has_fifos().then(|| FIFO_LEVELS[(self.register(IFLS) >> field & 7) as usize])
    }
}

/// The index in [`WRITABLE`] of a register from ILPR to DMACR.
const fn index(offset: u64) -> usize {
    (offset - ILPR) as usize / 4
}

#[cfg(test)]
mod tests;
