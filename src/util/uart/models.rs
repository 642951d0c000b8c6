//! The registers of UARTs as data.
//!
//! | model | binding | source |
//! |---|---|---|
//! | PL011 | `arm,pl011` | DDI 0183, 3.3 |
//! | mini-UART | `brcm,bcm2835-aux-uart` | BCM2835 ARM Peripherals, 2.2.2, with its errata |
//! | 16550 | `ns16550a`, `snps,dw-apb-uart` and others | PC16550D, 8.0; DW_apb_uart Databook, chapter 5 |
//! | i.MX | `fsl,imx6q-uart` | i.MX 8M Plus Reference Manual, chapter UART |
//! | Cadence | `cdns,uart-r1p12` | UG1085, Zynq UltraScale+ Register Reference |
//!
//! Of these only the output is used, and no machine of QEMU has them:
//!
//! | model | binding | source |
//! |---|---|---|
//! | Meson | `amlogic,meson-gx-uart` | S905X3 Datasheet, chapter UART |
//! | LPUART | `fsl,imx7ulp-lpuart` | i.MX 8ULP Reference Manual, chapter LPUART |
//! | GENI | `qcom,geni-debug-uart` | the way in which TF-A's consoles for Qualcomm's chips use it |
//! | SCIF | `renesas,rcar-gen3-scif` | R-Car Gen3 User's Manual, chapter SCIF |

use super::{Condition, Fifos, Latch, Setting, Switch, UartModel};

/// The width of a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Half,
    /// 32 bits.
    Word,
}

impl Width {
    /// Returns the number of bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
        }
    }
}

/// The place of a register in the frame of its UART.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The offset in bytes.
    pub offset: u64,
    /// The width.
    pub width: Width,
}

/// Returns the place of a 32-bit register.
const fn word(offset: u64) -> Place {
    Place { offset, width: Width::Word }
}

/// Returns the place of a 16-bit register.
const fn half(offset: u64) -> Place {
    Place { offset, width: Width::Half }
}

/// Returns the condition that a bit is set.
const fn set(register: Place, bit: u32) -> Condition<Place> {
    Condition { register, mask: 1 << bit, value: 1 << bit }
}

/// Returns the condition that a bit is clear.
const fn clear(register: Place, bit: u32) -> Condition<Place> {
    Condition { register, mask: 1 << bit, value: 0 }
}

/// Returns the setting of bits that must be one.
const fn ones(register: Place, mask: u32) -> Option<Setting> {
    Some(Setting { register, mask, value: mask })
}

/// PL011: UARTDR, UARTFR and UARTIMSC.
pub const PL011: UartModel = UartModel {
    transmit: word(0x00),
    command: None,
    receive: word(0x00),
    has_room: clear(word(0x18), 5), // TXFF
    fifos: Fifos {
        is_empty: set(word(0x18), 7), // TXFE
        depth: 16,                    // 32 from revision r1p5 on
        are_on: Some(set(word(0x2c), 4)),
        switch: Some(Switch {
            control: word(0x30),
            enable: 1 << 0,
            line_control: word(0x2c),
            fifos: 1 << 4,
        }),
    },
    has_byte: clear(word(0x18), 4), // RXFE
    is_idle: clear(word(0x18), 3),  // BUSY
    settings: [
        // UARTIFLS.TXIFLSEL: the interrupt for room comes when an eighth of the FIFO is left.
        Some(Setting { register: word(0x34), mask: 0b111, value: 0 }),
        None,
        None,
    ],
    pending: None,
    enable: word(0x38),
    keep: 0,
    on_byte: 1 << 4 | 1 << 6, // RXIM, and RTIM for fewer bytes than the FIFO's trigger level
    on_room: 1 << 5,          // TXIM
    latch: None,
};

/// The distance and the width of a 16550's registers (bindings `8250` and `snps,dw-apb-uart`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spacing {
    /// The binary logarithm of the distance in bytes.
    shift: u32,
    width: Width,
}

impl Spacing {
    /// Registers of four bytes.
    pub const WORDS: Self = Self { shift: 2, width: Width::Word };
    /// Registers of one byte, without gaps.
    pub const BYTES: Self = Self { shift: 0, width: Width::Byte };

    /// Returns the spacing with this `reg-shift`, from 0 to 4, and this `reg-io-width`: 1, 2 or 4
    /// bytes, which must not be more than the distance.
    pub const fn new(shift: u32, bytes: u32) -> Option<Self> {
        let width = match bytes {
            1 => Width::Byte,
            2 => Width::Half,
            4 => Width::Word,
            _ => return None,
        };
        if shift <= 4 && bytes <= 1 << shift { Some(Self { shift, width }) } else { None }
    }

    /// Returns the binary logarithm of the distance in bytes.
    pub const fn shift(self) -> u32 {
        self.shift
    }

    /// Returns the width of a register.
    pub const fn width(self) -> Width {
        self.width
    }

    /// Returns the place of a register, of which there are 32 at most.
    const fn place(self, index: u64) -> Place {
        Place { offset: index << self.shift, width: self.width }
    }
}

/// The mini-UART of a Raspberry Pi. Received bytes raise an interrupt only if bits 3:2 of
/// AUX_MU_IER_REG are set as well (errata on that register).
/// Its FIFOs hold 8 bytes.
pub const MINI: UartModel = UartModel {
    on_byte: 1 << 0 | 0b11 << 2,
    fifos: Fifos { depth: 8, ..ns16550(Spacing::WORDS).fifos },
    settings: [None; 3],
    ..ns16550(Spacing::WORDS)
};

/// Returns the model of a 16550: THR and RBR, IER, IIR, MCR and LSR.
pub const fn ns16550(spacing: Spacing) -> UartModel {
    let (iir, lsr) = (spacing.place(2), spacing.place(5));
    UartModel {
        transmit: spacing.place(0),
        command: None,
        receive: spacing.place(0),
        has_room: set(lsr, 5), // THRE
        fifos: Fifos {
            // TEMT. THRE has other meanings too: that there is room for a byte (mini-UART), or that
            // a threshold is not reached (DesignWare).
            is_empty: set(lsr, 6),
            depth: 16,
            // IIR: FIFOs enabled.
            are_on: Some(Condition { register: iir, mask: 0b11 << 6, value: 0b11 << 6 }),
            switch: None,
        },
        has_byte: set(lsr, 0), // DR
        is_idle: set(lsr, 6),  // TEMT
        // MCR.OUT2 lets the interrupt out where the pin is wired so, as in a PC.
        settings: [ones(spacing.place(4), 1 << 3), None, None],
        pending: None,
        enable: spacing.place(1),
        keep: 0,
        on_byte: 1 << 0, // ERBFI
        on_room: 1 << 1, // ETBEI
        latch: None,
    }
}

/// Returns the model of DesignWare's 16550. A write of LCR while it was busy has raised an interrupt
/// that no mask stops and a read of USR ends; the driver writes no LCR, but firmware does.
pub const fn design_ware(spacing: Spacing) -> UartModel {
    UartModel { pending: Some(spacing.place(0x1f)), ..ns16550(spacing) }
}

/// i.MX: URXD, UTXD, UCR1, UCR2, UFCR, USR2 and UTS. UCR1 has other bits than those of the two
/// interrupts.
pub const IMX: UartModel = UartModel {
    transmit: word(0x40),
    command: None,
    receive: word(0x00),
    has_room: clear(word(0xb4), 4), // TXFULL of UTS
    fifos: Fifos {
        is_empty: set(word(0xb4), 6), // TXEMPTY of UTS
        depth: 32,
        are_on: None,
        switch: None,
    },
    has_byte: set(word(0x98), 0), // RDR of USR2
    is_idle: set(word(0x98), 3),  // TXDC of USR2
    settings: [
        ones(word(0x80), 1 << 0), // UARTEN of UCR1
        // RXEN and TXEN of UCR2, and no reset (SRST).
        ones(word(0x84), 0b111),
        // RXTL of UFCR: one byte is enough for the interrupt.
        Some(Setting { register: word(0x90), mask: 0x3f, value: 1 }),
    ],
    pending: None,
    enable: word(0x80),
    keep: !(1 << 9 | 1 << 13),
    on_byte: 1 << 9,  // RRDYEN of UCR1
    on_room: 1 << 13, // TRDYEN of UCR1
    latch: None,
};

/// Cadence: Control, Rcvr_FIFO_trigger_level, TX_RX_FIFO, Channel_sts, and Intrpt_en, Intrpt_dis
/// and Chnl_int_sts.
pub const CADENCE: UartModel = UartModel {
    transmit: word(0x30),
    command: None,
    receive: word(0x30),
    has_room: clear(word(0x2c), 4), // TFUL
    fifos: Fifos {
        is_empty: set(word(0x2c), 3), // TEMPTY
        depth: 16,                    // 64 in hardware, 16 in QEMU
        are_on: None,
        switch: None,
    },
    has_byte: clear(word(0x2c), 1), // REMPTY
    // TEMPTY is set and TACTIVE is clear.
    is_idle: Condition { register: word(0x2c), mask: 1 << 3 | 1 << 11, value: 1 << 3 },
    settings: [
        // The receiver and the transmitter are on: RXEN and TXEN, not RXDIS and TXDIS.
        Some(Setting { register: word(0x00), mask: 0b1111 << 2, value: 0b0101 << 2 }),
        // One byte is enough for the interrupt.
        Some(Setting { register: word(0x20), mask: 0x3f, value: 1 }),
        None,
    ],
    pending: None,
    enable: word(0x08),
    keep: 0,
    on_byte: 1 << 0 | 1 << 8, // RTRIG, and TIMEOUT for fewer bytes than the trigger level
    on_room: 1 << 3,          // TEMPTY
    latch: Some(Latch { disable: word(0x0c), pending: word(0x14) }),
};

/// Returns a model of which only the output is used. Its transmitter has room for a byte if
/// `has_room` holds, and for `depth` bytes if `is_empty` does, which looks at the same register.
/// `masked` are the bits of the register `enable` that enable interrupts.
const fn output_only(
    transmit: Place,
    has_room: Condition<Place>,
    (is_empty, depth): (Condition<Place>, usize),
    is_idle: Condition<Place>,
    (enable, masked): (Place, u32),
) -> UartModel {
    UartModel {
        transmit,
        command: None,
        receive: transmit,
        has_room,
        fifos: Fifos { is_empty, depth, are_on: None, switch: None },
        // Never.
        has_byte: Condition { register: is_idle.register, mask: 0, value: 1 },
        is_idle,
        settings: [None; 3],
        pending: None,
        enable,
        keep: !masked,
        on_byte: 0,
        on_room: 0,
        latch: None,
    }
}

/// Meson: AML_UART_WFIFO, STATUS and CONTROL, whose bits 27 and 28 enable interrupts.
pub const MESON: UartModel = output_only(
    word(0x00),
    clear(word(0x0c), 21),     // TX FIFO full
    (set(word(0x0c), 22), 64), // TX FIFO empty
    // TX FIFO empty, transmitter not busy.
    Condition { register: word(0x0c), mask: 1 << 22 | 1 << 25, value: 1 << 22 },
    (word(0x08), 0b11 << 27),
);

/// LPUART with 32-bit registers from 0x10 on: DATA, STAT and CTRL. TDRE of STAT means an empty FIFO,
/// or one with as few bytes as firmware has put into WATER, so that only one byte is sure to have
/// room.
pub const LPUART: UartModel = output_only(
    word(0x1c),
    set(word(0x14), 23), // TDRE
    (set(word(0x14), 23), 1),
    set(word(0x14), 22),                 // TC
    (word(0x18), 0xf << 20 | 0xf << 24), // TIE, TCIE, RIE, ILIE, and those of errors
);

/// GENI: a byte is a command of the main sequencer, by UART_TX_TRANS_LEN, GENI_M_CMD0 and
/// GENI_TX_FIFO; while it is carried out, GENI_STATUS.M_GENI_CMD_ACTIVE is set.
pub const GENI: UartModel = {
    let is_done = clear(word(0x40), 0);
    UartModel {
        // The length of one byte, and UART_START_TX.
        command: Some([(word(0x270), 1), (word(0x600), 1 << 27)]),
        // GENI_M_IRQ_EN.
        ..output_only(word(0x700), is_done, (is_done, 1), is_done, (word(0x614), u32::MAX))
    }
};

/// SCIF: SCFTDR, SCFDR, whose bits 12:8 are the number of bytes in the transmit FIFO of 16, and
/// SCSCR, whose bits 7, 6 and 3 enable interrupts. The flags of SCFSR would have to be cleared.
pub const SCIF: UartModel = {
    let is_empty = Condition { register: half(0x1c), mask: 0x1f << 8, value: 0 };
    output_only(
        Place { offset: 0x0c, width: Width::Byte },
        clear(half(0x1c), 12),
        (is_empty, 16),
        is_empty,
        (half(0x08), 1 << 7 | 1 << 6 | 1 << 3),
    )
};
