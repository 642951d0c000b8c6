//! The driver of UARTs. The registers of each model are data: see [`models`].
//!
//! Firmware has set the line up, that is, the clock and the baud rate; the driver sends, receives
//! and masks interrupts. It has resolved its registers, so that a byte costs no decision between
//! models. Where the transmit FIFO is known to be empty it gets a burst of bytes, as many as the
//! FIFO of the smallest implementation holds, without a look at the status between them.

mod models;

pub use models::{
    CADENCE, GENI, IMX, LPUART, MESON, MINI, PL011, Place, SCIF, Spacing, Width, design_ware,
    ns16550,
};

/// A register.
pub trait UartRegister: Copy {
    /// Whether these are the registers of plain UARTs alone ([`UartModel::is_plain`]), so that the
    /// driver over them has code for no others.
    const IS_PLAIN: bool;

    /// Reads it.
    fn read(self) -> u32;

    /// Writes it.
    fn write(self, value: u32);
}

/// A condition: these bits of the register `R`, or of that at a [`Place`], have this value.
#[derive(Clone, Copy)]
struct Condition<R> {
    register: R,
    mask: u32,
    value: u32,
}

impl<R: UartRegister> Condition<R> {
    #[inline(always)]
    fn holds(&self) -> bool {
        self.register.read() & self.mask == self.value
    }
}

/// The registers of a UART whose interrupts are enabled by the ones that are written to one
/// register and disabled by those written to another, and stay pending until ones are written to a
/// third.
#[derive(Clone, Copy)]
struct Latch<R> {
    disable: R,
    pending: R,
}

/// The FIFOs of a model.
#[derive(Clone, Copy)]
struct Fifos {
    /// The status, in the register of `has_room`, while the transmit FIFO is empty.
    is_empty: Condition<Place>,
    /// The number of bytes that the smallest implementation's transmit FIFO holds.
    depth: usize,
    /// The condition that they are on; `None` if they always are.
    are_on: Option<Condition<Place>>,
    /// What turns them on if firmware has left them off: see [`Switch`]. `None` if they then stay
    /// off.
    switch: Option<Switch>,
}

/// The registers that turn a PL011's FIFOs on. The UART must be disabled and idle meanwhile
/// (DDI 0183G, 3.3.8).
#[derive(Clone, Copy)]
struct Switch {
    control: Place,
    /// The bit of the control register that enables the UART.
    enable: u32,
    line_control: Place,
    /// The bit of the line control register that turns the FIFOs on.
    fifos: u32,
}

/// Bits of a register that the driver needs to have a value.
#[derive(Clone, Copy)]
struct Setting {
    register: Place,
    mask: u32,
    value: u32,
}

/// The registers of a model of UART.
#[derive(Clone, Copy)]
pub struct UartModel {
    transmit: Place,
    /// What is written before each byte, where sending one is a command.
    command: Option<[(Place, u32); 2]>,
    receive: Place,
    has_room: Condition<Place>,
    fifos: Fifos,
    has_byte: Condition<Place>,
    is_idle: Condition<Place>,
    settings: [Option<Setting>; 3],
    /// The register whose read ends an interrupt that firmware may have left pending and that no
    /// mask stops.
    pending: Option<Place>,
    enable: Place,
    keep: u32,
    on_byte: u32,
    on_room: u32,
    latch: Option<Latch<Place>>,
}

impl UartModel {
    /// Returns the places of all registers, some of them several times.
    fn registers(&self) -> impl Iterator<Item = Place> {
        let switch = self.fifos.switch;
        let command = |index: usize| self.command.map(|all| all[index].0);
        let setting = |index: usize| self.settings[index].map(|it| it.register);
        let all = [
            Some(self.transmit),
            command(0),
            command(1),
            Some(self.receive),
            Some(self.has_room.register),
            Some(self.fifos.is_empty.register),
            self.fifos.are_on.map(|it| it.register),
            switch.map(|it| it.control),
            switch.map(|it| it.line_control),
            Some(self.has_byte.register),
            Some(self.is_idle.register),
            setting(0),
            setting(1),
            setting(2),
            self.pending,
            Some(self.enable),
            self.latch.map(|it| it.disable),
            self.latch.map(|it| it.pending),
        ];
        all.into_iter().flatten()
    }

    /// Returns the number of bytes from the start of the frame to the end of the last register.
    pub fn size(&self) -> u64 {
        self.registers().map(|it| it.offset + it.width.bytes()).max().unwrap_or_default()
    }

    /// Returns whether received bytes and room for bytes raise interrupts. If not, the driver has no
    /// input.
    pub fn has_interrupts(&self) -> bool {
        self.on_byte | self.on_room != 0
    }

    /// Returns whether all registers have 32 bits, and sending a byte and masking an interrupt is one
    /// access.
    pub fn is_plain(&self) -> bool {
        self.command.is_none()
            && self.latch.is_none()
            && self.registers().all(|it| it.width == Width::Word)
    }

    /// Takes over a UART of this model, of whose register at a place `register` gives access. All
    /// its interrupts are masked.
    // In the caller, which only boot has.
    #[inline(always)]
    pub fn open<R: UartRegister>(&self, register: impl Fn(Place) -> R) -> Uart<R> {
        for Setting { register: place, mask, value } in self.settings.iter().flatten() {
            let register = register(*place);
            register.write(register.read() & !mask | value);
        }
        let condition = |it: &Condition<Place>| Condition {
            register: register(it.register),
            mask: it.mask,
            value: it.value,
        };
        let are_on = || self.fifos.are_on.as_ref().is_none_or(|it| condition(it).holds());
        if let Some(switch) = &self.fifos.switch
            && !are_on()
        {
            switch.turn_on(&register, &condition(&self.is_idle));
        }
        let burst = if are_on() { self.fifos.depth } else { 1 };
        let latch = |it: Latch<Place>| Latch {
            disable: register(it.disable),
            pending: register(it.pending),
        };
        let uart = Uart {
            transmit: register(self.transmit),
            command: self.command.map(|all| all.map(|(place, value)| (register(place), value))),
            receive: register(self.receive),
            has_room: condition(&self.has_room),
            is_empty: condition(&self.fifos.is_empty),
            burst,
            has_byte: condition(&self.has_byte),
            is_idle: condition(&self.is_idle),
            enable: register(self.enable),
            keep: self.keep,
            on_byte: self.on_byte,
            on_room: self.on_room,
            latch: self.latch.map(latch),
        };
        uart.set_interrupts(false, false);
        if let Some(place) = self.pending {
            register(place).read();
        }
        uart
    }
}

impl Switch {
    /// Turns the FIFOs on, once the UART is idle.
    #[inline(always)]
    fn turn_on<R: UartRegister>(&self, register: impl Fn(Place) -> R, is_idle: &Condition<R>) {
        let (control, line_control) = (register(self.control), register(self.line_control));
        let enabled = control.read();
        // A UART that is disabled does not become idle.
        while enabled & self.enable != 0 && !is_idle.holds() {}
        control.write(enabled & !self.enable);
        line_control.write(line_control.read() | self.fifos);
        control.write(enabled);
    }
}

/// A UART that firmware has configured.
#[derive(Clone, Copy)]
pub struct Uart<R> {
    /// The register to which a byte is written to be sent.
    transmit: R,
    /// What is written before each byte: registers and values.
    command: Option<[(R, u32); 2]>,
    /// The register that holds a received byte in bits 7:0.
    receive: R,
    /// The transmit FIFO has room for a byte.
    has_room: Condition<R>,
    /// The transmit FIFO is empty. The same register's.
    is_empty: Condition<R>,
    /// The number of bytes for which an empty transmit FIFO has room.
    burst: usize,
    /// A byte has been received.
    has_byte: Condition<R>,
    /// All bytes have left the transmitter.
    is_idle: Condition<R>,
    /// The register that enables interrupts.
    enable: R,
    /// Its bits that stay as they are.
    keep: u32,
    /// Its bits of the interrupts for received bytes.
    on_byte: u32,
    /// Its bits of the interrupts for room in the transmit FIFO.
    on_room: u32,
    latch: Option<Latch<R>>,
}

impl<R: UartRegister> Uart<R> {
    /// Puts a byte into the transmit FIFO, which must have room.
    #[inline(always)]
    pub fn put(&self, byte: u8) {
        if !R::IS_PLAIN {
            for (register, value) in self.command.iter().flatten() {
                register.write(*value);
            }
        }
        self.transmit.write(byte.into());
    }

    /// Returns for how many bytes the transmit FIFO is known to have room.
    #[inline(always)]
    pub fn room(&self) -> usize {
        let status = self.has_room.register.read();
        if status & self.is_empty.mask == self.is_empty.value {
            return self.burst;
        }
        (status & self.has_room.mask == self.has_room.value).into()
    }

    #[inline(always)]
    fn latch(&self) -> Option<&Latch<R>> {
        if R::IS_PLAIN { None } else { self.latch.as_ref() }
    }

    /// Waits until all bytes have left the transmitter.
    pub fn flush(&self) {
        while !self.is_idle.holds() {}
    }

    /// Takes a byte from the receive FIFO; `None` if it is empty.
    pub fn receive(&self) -> Option<u8> {
        if let Some(latch) = self.latch() {
            // Before the FIFO is read: a byte that arrives later makes the interrupt pending again.
            latch.pending.write(self.on_byte);
        }
        self.has_byte.holds().then(|| self.receive.read() as u8)
    }

    /// Unmasks or masks the interrupts for received bytes and for room in the transmit FIFO.
    pub fn set_interrupts(&self, receive: bool, transmit: bool) {
        let receive = if receive { self.on_byte } else { 0 };
        let wanted = receive | if transmit { self.on_room } else { 0 };
        if let Some(latch) = self.latch() {
            latch.disable.write((self.on_byte | self.on_room) & !wanted);
            // The FIFO was full when the caller stopped, so it is not empty yet.
            latch.pending.write(self.on_room);
        }
        self.enable.write(self.enable.read() & self.keep | wanted);
    }
}

/// What bytes are sent by.
pub trait Transmit {
    /// Returns for how many bytes there is room.
    fn room(&self) -> usize;

    /// Sends bytes, for which there must be room. Returns their number.
    fn send(&self, bytes: impl Iterator<Item = u8>) -> usize;

    /// Sends bytes, waiting for room.
    #[inline(never)]
    fn send_all(&self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (burst, others) = rest.split_at(self.room().min(rest.len()));
            self.send(burst.iter().copied());
            rest = others;
        }
    }

    /// Sends bytes up to the first LF, waiting for room. Returns those after the LF; `None` if there
    /// is none.
    #[inline(always)]
    fn send_line<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let length = bytes.iter().position(|byte| *byte == b'\n');
        let (line, rest) = bytes.split_at(length.unwrap_or(bytes.len()));
        self.send_all(line);
        // After the LF.
        rest.get(1..)
    }
}

impl<R: UartRegister> Transmit for Uart<R> {
    #[inline(always)]
    fn room(&self) -> usize {
        Self::room(self)
    }

    #[inline(always)]
    fn send(&self, bytes: impl Iterator<Item = u8>) -> usize {
        let mut count: usize = 0;
        for byte in bytes {
            self.put(byte);
            count = count.wrapping_add(1);
        }
        count
    }
}

#[cfg(test)]
mod tests;
