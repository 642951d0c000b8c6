//! The registers of UARTs as data, and the driver over them.
//!
//! | model | binding | source |
//! |---|---|---|
//! | PL011 | `arm,pl011` | DDI 0183, 3.3 |
//! | mini-UART | `brcm,bcm2835-aux-uart` | BCM2835 ARM Peripherals, 2.2.2, with its errata |
//! | DesignWare | `snps,dw-apb-uart` | the registers of a 16550, four bytes apart |
//! | i.MX | `fsl,imx6q-uart` | i.MX 8M Plus Reference Manual, chapter UART |
//! | Cadence | `cdns,uart-r1p12` | UG1085, Zynq UltraScale+ Register Reference |
//!
//! Firmware has set the line up, that is, the clock and the baud rate; the driver sends, receives
//! and masks interrupts. It has resolved its registers, so that a byte costs no decision between
//! models. Where the transmit FIFO is known to be empty it gets a burst of bytes, as many as the
//! FIFO of the smallest implementation holds, without a look at the status between them.

/// A 32-bit register.
pub trait UartRegister: Copy {
    /// Reads it.
    fn read(self) -> u32;

    /// Writes it.
    fn write(self, value: u32);
}

/// A condition: these bits of the register `R`, or of that at an offset, have this value.
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

/// Returns the condition that a bit is set.
const fn set(register: u64, bit: u32) -> Condition<u64> {
    Condition { register, mask: 1 << bit, value: 1 << bit }
}

/// Returns the condition that a bit is clear.
const fn clear(register: u64, bit: u32) -> Condition<u64> {
    Condition { register, mask: 1 << bit, value: 0 }
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
struct Fifos {
    /// The status, in the register of `has_room`, while the transmit FIFO is empty.
    is_empty: Condition<u64>,
    /// The number of bytes that the smallest implementation's transmit FIFO holds.
    depth: usize,
    /// The condition that they are on; `None` if they always are.
    are_on: Option<Condition<u64>>,
    /// What turns them on if firmware has left them off: see [`Switch`]. `None` if they then stay
    /// off.
    switch: Option<Switch<u64>>,
}

/// The registers that turn a PL011's FIFOs on. The UART must be disabled and idle meanwhile
/// (DDI 0183G, 3.3.8).
struct Switch<R> {
    control: R,
    /// The bit of the control register that enables the UART.
    enable: u32,
    line_control: R,
    /// The bit of the line control register that turns the FIFOs on.
    fifos: u32,
}

/// The registers of a model of UART, by their offsets in bytes.
pub struct UartModel {
    transmit: u64,
    receive: u64,
    has_room: Condition<u64>,
    fifos: Fifos,
    has_byte: Condition<u64>,
    is_idle: Condition<u64>,
    /// Bits of registers that the driver needs, each as a register, a mask and the value.
    setup: &'static [(u64, u32, u32)],
    enable: u64,
    keep: u32,
    on_byte: u32,
    on_room: u32,
    latch: Option<Latch<u64>>,
}

/// PL011: UARTDR, UARTFR and UARTIMSC.
pub const PL011: UartModel = UartModel {
    transmit: 0x00,
    receive: 0x00,
    has_room: clear(0x18, 5), // TXFF
    fifos: Fifos {
        is_empty: set(0x18, 7), // TXFE
        depth: 16,              // 32 from revision r1p5 on
        are_on: Some(set(0x2c, 4)),
        switch: Some(Switch { control: 0x30, enable: 1 << 0, line_control: 0x2c, fifos: 1 << 4 }),
    },
    has_byte: clear(0x18, 4), // RXFE
    is_idle: clear(0x18, 3),  // BUSY
    // UARTIFLS.TXIFLSEL: the interrupt for room comes when an eighth of the FIFO is left.
    setup: &[(0x34, 0b111, 0)],
    enable: 0x38,
    keep: 0,
    on_byte: 1 << 4 | 1 << 6, // RXIM, and RTIM for fewer bytes than the FIFO's trigger level
    on_room: 1 << 5,          // TXIM
    latch: None,
};

/// The mini-UART of a Raspberry Pi. Received bytes raise an interrupt only if bits 3:2 of
/// AUX_MU_IER_REG are set as well (errata on that register).
/// Its FIFOs hold 8 bytes.
pub const MINI: UartModel = like_16550(1 << 0 | 0b11 << 2, 8);

/// DesignWare.
pub const DESIGN_WARE: UartModel = like_16550(1 << 0, 16);

/// Returns a model with a 16550's THR and RBR, IER, IIR and LSR, these bits of IER for received
/// bytes, and FIFOs of this depth.
const fn like_16550(on_byte: u32, depth: usize) -> UartModel {
    UartModel {
        transmit: 0x00,
        receive: 0x00,
        has_room: set(0x14, 5), // THRE
        fifos: Fifos {
            // TEMT. THRE has other meanings too: that there is room for a byte (mini-UART), or that
            // a threshold is not reached (DesignWare).
            is_empty: set(0x14, 6),
            depth,
            // IIR: FIFOs enabled.
            are_on: Some(Condition { register: 0x08, mask: 0b11 << 6, value: 0b11 << 6 }),
            switch: None,
        },
        has_byte: set(0x14, 0), // DR
        is_idle: set(0x14, 6),  // TEMT
        setup: &[],
        enable: 0x04,
        keep: 0,
        on_byte,
        on_room: 1 << 1, // ETBEI
        latch: None,
    }
}

/// i.MX: URXD, UTXD, UCR1, USR2 and UTS. UCR1 has other bits than those of the two interrupts.
pub const IMX: UartModel = UartModel {
    transmit: 0x40,
    receive: 0x00,
    has_room: clear(0xb4, 4), // TXFULL of UTS
    fifos: Fifos {
        is_empty: set(0xb4, 6), // TXEMPTY of UTS
        depth: 32,
        are_on: None,
        switch: None,
    },
    has_byte: set(0x98, 0), // RDR of USR2
    is_idle: set(0x98, 3),  // TXDC of USR2
    setup: &[],
    enable: 0x80,
    keep: !(1 << 9 | 1 << 13),
    on_byte: 1 << 9,  // RRDYEN of UCR1
    on_room: 1 << 13, // TRDYEN of UCR1
    latch: None,
};

/// Cadence: Control, Rcvr_FIFO_trigger_level, TX_RX_FIFO, Channel_sts, and Intrpt_en, Intrpt_dis
/// and Chnl_int_sts.
pub const CADENCE: UartModel = UartModel {
    transmit: 0x30,
    receive: 0x30,
    has_room: clear(0x2c, 4), // TFUL
    fifos: Fifos {
        is_empty: set(0x2c, 3), // TEMPTY
        depth: 16,              // 64 in hardware, 16 in QEMU
        are_on: None,
        switch: None,
    },
    has_byte: clear(0x2c, 1), // REMPTY
    // TEMPTY is set and TACTIVE is clear.
    is_idle: Condition { register: 0x2c, mask: 1 << 3 | 1 << 11, value: 1 << 3 },
    setup: &[
        // The receiver and the transmitter are on: RXEN and TXEN, not RXDIS and TXDIS.
        (0x00, 0b1111 << 2, 0b0101 << 2),
        // One byte is enough for the interrupt.
        (0x20, 0x3f, 1),
    ],
    enable: 0x08,
    keep: 0,
    on_byte: 1 << 0 | 1 << 8, // RTRIG, and TIMEOUT for fewer bytes than the trigger level
    on_room: 1 << 3,          // TEMPTY
    latch: Some(Latch { disable: 0x0c, pending: 0x14 }),
};

impl UartModel {
    /// Takes over a UART of this model, whose register at an offset `register` returns. All its
    /// interrupts are masked.
    // In the caller, which only boot has.
    #[inline(always)]
    pub fn open<R: UartRegister>(&self, register: impl Fn(u64) -> R) -> Uart<R> {
        for (offset, mask, value) in self.setup {
            let register = register(*offset);
            register.write(register.read() & !mask | value);
        }
        let condition = |it: &Condition<u64>| Condition {
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
        let latch =
            |it: Latch<u64>| Latch { disable: register(it.disable), pending: register(it.pending) };
        let uart = Uart {
            transmit: register(self.transmit),
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
        uart
    }
}

impl Switch<u64> {
    /// Turns the FIFOs on, once the UART is idle.
    #[inline(always)]
    fn turn_on<R: UartRegister>(&self, register: impl Fn(u64) -> R, is_idle: &Condition<R>) {
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
    /// Puts bytes into the transmit FIFO, which must have room. Returns their number.
    #[inline(always)]
    pub fn send(&self, bytes: impl Iterator<Item = u8>) -> usize {
        let transmit = self.transmit;
        let mut count: usize = 0;
        for byte in bytes {
            transmit.write(byte.into());
            count = count.wrapping_add(1);
        }
        count
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

    /// Sends bytes, waiting for room.
    #[inline(never)]
    pub fn send_all(&self, bytes: &[u8]) {
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
    pub fn send_line<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (mut rest, mut room) = (bytes, 0_usize);
        while let [byte, after @ ..] = rest {
            if *byte == b'\n' {
                return Some(after);
            }
            while room == 0 {
                room = self.room();
            }
            self.transmit.write((*byte).into());
            (rest, room) = (after, room.wrapping_sub(1));
        }
        None
    }

    /// Waits until all bytes have left the transmitter.
    pub fn flush(&self) {
        while !self.is_idle.holds() {}
    }

    /// Takes a byte from the receive FIFO; `None` if it is empty.
    pub fn receive(&self) -> Option<u8> {
        if let Some(latch) = &self.latch {
            // Before the FIFO is read: a byte that arrives later makes the interrupt pending again.
            latch.pending.write(self.on_byte);
        }
        self.has_byte.holds().then(|| self.receive.read() as u8)
    }

    /// Unmasks or masks the interrupts for received bytes and for room in the transmit FIFO.
    pub fn set_interrupts(&self, receive: bool, transmit: bool) {
        let receive = if receive { self.on_byte } else { 0 };
        let wanted = receive | if transmit { self.on_room } else { 0 };
        if let Some(latch) = &self.latch {
            latch.disable.write((self.on_byte | self.on_room) & !wanted);
            // The FIFO was full when the caller stopped, so it is not empty yet.
            latch.pending.write(self.on_room);
        }
        self.enable.write(self.enable.read() & self.keep | wanted);
    }
}

#[cfg(test)]
mod tests;
