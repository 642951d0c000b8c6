//! The UART that a guest sees: Arm PrimeCell PL011, revision r1p5 (Arm DDI 0183G), whose FIFOs
//! hold 32 bytes.
//!
//! Stock drivers find what they expect of the hardware. Where it would depend on the time that a
//! character takes on the wire, there is none: what the guest writes leaves the transmit FIFO as
//! soon as the console has room, and a receive timeout is raised at once (see
//! [`Pl011::receive`]). If the console has no room the transmit FIFO fills up, and the guest sees
//! a UART that is busy, so nothing is lost unless the guest writes to a full FIFO.
//!
//! There are no line errors and no modem on the line: outside of loopback the modem's inputs are
//! asserted, so that a driver with hardware flow control transmits, and never change.

use tock_registers::fields::Field;

use crate::ring::{Full, Ring};

mod registers;
use registers::{
    CR, DR, FIFO_DEPTH, FIFO_LEVELS, FR, IDENTIFICATION, IFLS, INTERRUPT, LCR_H, RSR, offset,
};

/// An emulated PL011.
///
/// After every call the level of [`Pl011::interrupt_line`] may be another.
#[derive(Clone, Debug)]
pub struct Pl011 {
    transmit_fifo: Ring<u8, FIFO_DEPTH>,
    receive_fifo: Ring<u16, FIFO_DEPTH>,
    /// A byte was lost: the next that is received says so in DR.OE.
    overrun: bool,
    status: u32,
    low_power: u32,
    baud_integer: u32,
    baud_fraction: u32,
    line_control: u32,
    control: u32,
    levels: u32,
    mask: u32,
    raw: u32,
    dma_control: u32,
}

impl Default for Pl011 {
    fn default() -> Self {
        Self::new()
    }
}

impl Pl011 {
    /// A UART as firmware leaves it: enabled, FIFOs on, 115200 8N1 from a 24 MHz clock. Early
    /// consoles write to it without setting it up, while after the hardware's own reset
    /// (CR = 0x300) they would not be heard.
    #[must_use]
    pub fn new() -> Self {
        let line_control = LCR_H::FEN::SET + LCR_H::WLEN::Eight;
        let control = CR::UARTEN::SET + CR::TXE::SET + CR::RXE::SET;
        let levels = IFLS::TXIFLSEL::Half + IFLS::RXIFLSEL::Half;
        Self {
            transmit_fifo: Ring::default(),
            receive_fifo: Ring::default(),
            overrun: false,
            status: 0,
            low_power: 0,
            baud_integer: 13,
            baud_fraction: 1,
            line_control: line_control.value,
            control: control.value,
            levels: levels.value,
            mask: 0,
            raw: 0,
            dma_control: 0,
        }
    }

    /// Reads `size` bytes at `offset` from the start of the registers, zero-extended. Reading DR
    /// takes a byte from the receive FIFO.
    ///
    /// A register answers at its own address, in any size. What is no register reads as zero.
    pub fn read(&mut self, offset: u64, size: u64) -> u64 {
        let value = match offset {
            offset::DR => self.read_data(),
            offset::RSR_ECR => self.status,
            offset::FR => self.flags(),
            offset::RIS => self.raw,
            offset::MIS => self.raw & self.mask,
            offset::PERIPH_ID_0..=offset::PCELL_ID_3 if offset.is_multiple_of(4) => {
                IDENTIFICATION[(offset - offset::PERIPH_ID_0) as usize / 4]
            }
            _ => self.storage(offset).map_or(0, |(register, _)| *register),
        };
        u64::from(narrow(value, size))
    }

    /// Writes the low `size` bytes of `value` at `offset` from the start of the registers;
    /// [`Pl011::transmit`] must be called next. What is no register ignores it.
    pub fn write(&mut self, offset: u64, size: u64, value: u64) {
        let value = narrow(value as u32, size);
        match offset {
            offset::DR => self.write_data(value as u8),
            offset::RSR_ECR => self.status = 0,
            offset::LCR_H => self.write_line_control(value),
            offset::ICR => self.raw &= !value,
            _ => {
                if let Some((register, writable)) = self.storage(offset) {
                    *register = value & writable;
                }
                if offset == offset::IFLS {
                    self.signal_received();
                }
            }
        }
    }

    /// Hands what the guest has written to `sink`, until that is full or all is gone. To be called
    /// after every write of the guest, and when there is room again where there was none.
    ///
    /// The transmit interrupt is raised when bytes have left and no more than the level of IFLS
    /// remain. Hardware wants the FIFO to have been above the level before; drivers that fill it
    /// first, as those for the hardware must, cannot tell.
    pub fn transmit(&mut self, mut sink: impl FnMut(u8) -> Result<(), Full>) {
        if !self.is_enabled(CR::TXE) {
            return;
        }
        while let Some(byte) = self.transmit_fifo.peek() {
            if CR::LBE.is_set(self.control) {
                self.loop_back(byte);
            } else if sink(byte) == Err(Full) {
                return;
            }
            self.transmit_fifo.pop();
            if self.transmit_fifo.len() <= self.transmit_level() {
                self.raise(INTERRUPT::TX);
            }
        }
    }

    /// Puts a byte that comes from outside into the receive FIFO. A receiver that is off, or that
    /// loopback has taken off the line, drops it as hardware does.
    ///
    /// Below the level of IFLS the receive timeout is raised without any delay: it is there to tell
    /// the guest of a few bytes after which nothing comes, and what a person types is just that.
    ///
    /// # Errors
    ///
    /// [`Full`] if the guest must read first. Who keeps the byte until then avoids an overrun.
    pub fn receive(&mut self, byte: u8) -> Result<(), Full> {
        if CR::LBE.is_set(self.control) {
            return Ok(());
        }
        self.receive_from_line(byte)
    }

    /// Whether bytes wait for [`Pl011::transmit`]: FR.BUSY.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.transmit_fifo.is_empty()
    }

    /// The level of UARTINTR, the combined interrupt.
    #[must_use]
    pub fn interrupt_line(&self) -> bool {
        self.raw & self.mask != 0
    }

    /// The register at `offset` that keeps what is written, and the bits that exist in it.
    fn storage(&mut self, offset: u64) -> Option<(&mut u32, u32)> {
        Some(match offset {
            offset::ILPR => (&mut self.low_power, 0xff),
            offset::IBRD => (&mut self.baud_integer, 0xffff),
            offset::FBRD => (&mut self.baud_fraction, 0x3f),
            offset::LCR_H => (&mut self.line_control, 0xff),
            offset::CR => (&mut self.control, 0xff87),
            offset::IFLS => (&mut self.levels, 0x3f),
            offset::IMSC => (&mut self.mask, 0x7ff),
            offset::DMACR => (&mut self.dma_control, 0x7),
            _ => return None,
        })
    }

    fn read_data(&mut self) -> u32 {
        let Some(data) = self.receive_fifo.pop() else {
            return 0;
        };
        if self.receive_fifo.len() < self.receive_level() {
            self.lower(INTERRUPT::RX);
        }
        if self.receive_fifo.is_empty() {
            self.lower(INTERRUPT::RT);
        }
        self.signal_received();
        u32::from(data)
    }

    fn write_data(&mut self, byte: u8) {
        if self.transmit_fifo.len() >= self.depth() || self.transmit_fifo.push(byte).is_err() {
            return;
        }
        if self.transmit_fifo.len() > self.transmit_level() {
            self.lower(INTERRUPT::TX);
        }
    }

    /// Turning the FIFOs on or off drops what was received, as in hardware. What was written stays,
    /// since hardware would have sent it by then.
    fn write_line_control(&mut self, value: u32) {
        let changed = LCR_H::FEN.is_set(self.line_control ^ value);
        self.line_control = value & 0xff;
        if changed {
            self.receive_fifo.clear();
            self.lower(INTERRUPT::RX);
            self.lower(INTERRUPT::RT);
        }
    }

    fn flags(&self) -> u32 {
        let mut flags = self.modem_inputs();
        for (condition, flag) in [
            (!self.transmit_fifo.is_empty(), FR::BUSY),
            (self.receive_fifo.is_empty(), FR::RXFE),
            (self.transmit_fifo.len() >= self.depth(), FR::TXFF),
            (self.receive_fifo.len() >= self.depth(), FR::RXFF),
            (self.transmit_fifo.is_empty(), FR::TXFE),
        ] {
            flags |= flag.val(condition.into()).value;
        }
        flags
    }

    /// In loopback the modem's outputs are its inputs (DDI 0183G, "loopback testing").
    fn modem_inputs(&self) -> u32 {
        if !CR::LBE.is_set(self.control) {
            return (FR::CTS::SET + FR::DSR::SET + FR::DCD::SET).value;
        }
        [(CR::RTS, FR::CTS), (CR::DTR, FR::DSR), (CR::OUT_1, FR::DCD), (CR::OUT_2, FR::RI)]
            .into_iter()
            .fold(0, |flags, (output, input)| flags | input.val(output.read(self.control)).value)
    }

    fn loop_back(&mut self, byte: u8) {
        if self.receive_from_line(byte).is_err() {
            self.overrun = true;
            self.status |= RSR::OE::SET.value;
            self.raise(INTERRUPT::OE);
        }
    }

    fn receive_from_line(&mut self, byte: u8) -> Result<(), Full> {
        if !self.is_enabled(CR::RXE) {
            return Ok(());
        }
        if self.receive_fifo.len() >= self.depth() {
            return Err(Full);
        }
        let error = DR::OE.val(self.overrun.into()).value as u16;
        self.receive_fifo.push(error | u16::from(byte))?;
        self.overrun = false;
        self.signal_received();
        Ok(())
    }

    /// Raises the interrupt that tells the guest of what is in the receive FIFO.
    fn signal_received(&mut self) {
        if self.receive_fifo.len() >= self.receive_level() {
            self.raise(INTERRUPT::RX);
        } else if !self.receive_fifo.is_empty() {
            self.raise(INTERRUPT::RT);
        }
    }

    fn is_enabled(&self, direction: Field<u32, CR::Register>) -> bool {
        CR::UARTEN.is_set(self.control) && direction.is_set(self.control)
    }

    fn has_fifos(&self) -> bool {
        LCR_H::FEN.is_set(self.line_control)
    }

    fn depth(&self) -> usize {
        if self.has_fifos() { FIFO_DEPTH } else { 1 }
    }

    /// The transmit interrupt is raised when this many bytes or fewer are left.
    fn transmit_level(&self) -> usize {
        if self.has_fifos() { level(IFLS::TXIFLSEL.read(self.levels)) } else { 0 }
    }

    /// The receive interrupt is raised when this many bytes or more are there.
    fn receive_level(&self) -> usize {
        if self.has_fifos() { level(IFLS::RXIFLSEL.read(self.levels)) } else { 1 }
    }

    fn raise(&mut self, interrupt: Field<u32, INTERRUPT::Register>) {
        self.raw |= interrupt.val(1).value;
    }

    fn lower(&mut self, interrupt: Field<u32, INTERRUPT::Register>) {
        self.raw &= !interrupt.val(1).value;
    }
}

fn level(selected: u32) -> usize {
    FIFO_LEVELS[(selected as usize).min(FIFO_LEVELS.len() - 1)]
}

/// The low `size` bytes of `value`.
fn narrow(value: u32, size: u64) -> u32 {
    match size {
        1 => value & 0xff,
        2 => value & 0xffff,
        _ => value,
    }
}

#[cfg(test)]
mod tests;
