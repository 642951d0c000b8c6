//! A function as its guest sees it.
//!
//! | register | a load returns | a store |
//! |---|---|---|
//! | [`Rule::Fixed`] | a constant | has no effect |
//! | [`Rule::Hardware`] | the hardware's value, with some bits fixed | has no effect |
//! | [`Rule::Messages`] | the hardware's value, with some bits fixed | of some bits to the hardware |
//! | [`Rule::Command`] | Command as stored, and the hardware's Status | of the bits in [`COMMAND_BITS`] |
//! | [`Rule::Bar`] | what was stored, in the bits of an address | as in [`BarRule`] |
//! | [`Rule::Interrupt`] | Interrupt Line as stored, and the hardware's pin | of Interrupt Line |

use super::registers::{
    BAR, COMMAND, COMMAND_INTX_DISABLE, COMMAND_MASTER, COMMAND_MEMORY, EXTENDED,
};
use super::{Address, ConfigurationSpace};

/// The number of 32-bit registers below [`EXTENDED`].
pub const REGISTERS: usize = EXTENDED as usize / 4;
/// The number of Base Address Registers.
pub const BARS: usize = 6;

/// The bits of Command that a guest sets. SERR# Enable is not among them: an error message reaches
/// the root complex, which is not the guest's.
const COMMAND_BITS: u32 = COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_DISABLE;

/// What a guest sees of a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// This value.
    Fixed(u32),
    /// The hardware's value, but for the bits of `mask`, which are those of `value`.
    Hardware {
        /// The bits that are fixed.
        mask: u32,
        /// Their values.
        value: u32,
    },
    /// A register of MSI or MSI-X: the hardware's value. What the function writes to, and what it
    /// writes, is checked where it arrives, by the SMMU and by what takes the messages.
    Messages {
        /// The bits that a store changes.
        writable: u32,
        /// The bits that are fixed to those of `value`.
        mask: u32,
        /// Their values.
        value: u32,
    },
    /// Command, and the hardware's Status.
    Command,
    /// The Base Address Register with this number, below 6.
    Bar(u8),
    /// Interrupt Line, and the hardware's other bits.
    Interrupt,
}

/// What a guest sees of a Base Address Register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BarRule {
    /// The bits that it can write: those of an address that is aligned to the size.
    pub writable: u32,
    /// The other bits that are ones: the kind of the register.
    pub flags: u32,
    /// The bytes of memory that it places; 0 if it is not implemented, is for I/O space, or has the
    /// upper bits of the one before.
    pub size: u64,
    /// Whether the next one has bits 63:32 of its address.
    pub is_wide: bool,
    /// What it holds when the guest starts.
    pub start: u32,
}

/// What a guest sees of a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// For each register below [`EXTENDED`] its rule. All registers from there on are zero.
    pub rules: [Rule; REGISTERS],
    /// The Base Address Registers.
    pub bars: [BarRule; BARS],
}

/// The addresses on the bus that a partition's functions may decode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Window {
    start: u64,
    size: u64,
}

/// A function, and what its guest has stored in its registers.
pub struct Function {
    address: Address,
    view: View,
    window: Window,
    command: u32,
    bars: [u32; BARS],
    line: u32,
    /// Whether the guest finds no function in its place.
    is_absent: bool,
}

impl Function {
    /// Returns a function that decodes no address and masters no bus. `window` has the bus address
    /// and the size of the partition's window, in bytes.
    pub fn new(address: Address, view: View, window: (u64, u64)) -> Self {
        let (start, size) = window;
        let bars = view.bars.map(|bar| bar.start);
        let window = Window { start, size };
        Self { address, view, window, command: 0, bars, line: 0, is_absent: false }
    }

    /// Returns its address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Puts the guest's registers into the state in which a partition that starts finds them.
    pub fn reset(&mut self) {
        (self.command, self.line) = (0, 0);
        for (stored, rule) in self.bars.iter_mut().zip(&self.view.bars) {
            *stored = rule.start;
        }
    }

    /// Sets whether the guest finds no function in its place.
    pub fn set_absent(&mut self, is_absent: bool) {
        self.is_absent = is_absent;
    }

    /// Takes the bus from it: it decodes no address, starts no transaction, and asserts no
    /// interrupt.
    pub fn silence(&self, hardware: &dyn ConfigurationSpace) {
        hardware.write(self.address, COMMAND, COMMAND_INTX_DISABLE);
    }

    /// Loads `size` bytes from `offset`, below 4096. All bits are ones if the bytes are not within
    /// one register of 32 bits.
    pub fn load(&self, offset: u16, size: u8, hardware: &dyn ConfigurationSpace) -> u64 {
        let Some((register, shift, mask)) = part(offset, size).filter(|_| !self.is_absent) else {
            return u64::MAX;
        };
        u64::from(self.register(register, hardware) >> shift & mask)
    }

    /// Returns the value of a register.
    fn register(&self, register: usize, hardware: &dyn ConfigurationSpace) -> u32 {
        let read = || hardware.read(self.address, (register as u16) << 2);
        match self.view.rules.get(register) {
            Some(Rule::Fixed(value)) => *value,
            Some(Rule::Hardware { mask, value } | Rule::Messages { mask, value, .. }) => {
                read() & !mask | value
            }
            Some(Rule::Command) => read() & 0xffff_0000 | self.command,
            Some(Rule::Bar(bar)) => self.bars.get(usize::from(*bar)).copied().unwrap_or(0),
            Some(Rule::Interrupt) => read() & 0xff00 | self.line,
            None => 0,
        }
    }

    /// Stores `size` bytes to `offset`, below 4096. The store has no effect if the bytes are not
    /// within one register of 32 bits.
    pub fn store(&mut self, offset: u16, size: u8, value: u64, hardware: &dyn ConfigurationSpace) {
        let Some((register, shift, mask)) = part(offset, size).filter(|_| !self.is_absent) else {
            return;
        };
        let merge = |old: u32| old & !(mask << shift) | (value as u32 & mask) << shift;
        match self.view.rules.get(register) {
            Some(Rule::Command) => {
                let command = merge(self.command) & COMMAND_BITS;
                if command != self.command {
                    self.command = command;
                    self.update(hardware);
                }
            }
            Some(Rule::Bar(bar)) => {
                let bar = usize::from(*bar);
                if let (Some(stored), Some(rule)) =
                    (self.bars.get_mut(bar), self.view.bars.get(bar))
                {
                    *stored = merge(*stored) & rule.writable | rule.flags;
                    if self.command & COMMAND_MEMORY != 0 {
                        self.update(hardware);
                    }
                }
            }
            Some(Rule::Interrupt) => self.line = merge(self.line) & 0xff,
            Some(Rule::Messages { writable, .. }) => {
                let offset = offset & !3;
                let old = hardware.read(self.address, offset);
                hardware.write(self.address, offset, old & !writable | merge(old) & writable);
            }
            Some(Rule::Fixed(_) | Rule::Hardware { .. }) | None => {}
        }
    }

    /// Brings the hardware into the state that the guest has stored. It decodes memory only if every
    /// Base Address Register lies in the window, and not while one of them is written.
    fn update(&self, hardware: &dyn ConfigurationSpace) {
        let write = |command| hardware.write(self.address, COMMAND, command);
        let without = self.command & !COMMAND_MEMORY;
        write(without);
        if without != self.command && self.fits() {
            for (offset, value) in (BAR..).step_by(4).zip(&self.bars) {
                hardware.write(self.address, offset, *value);
            }
            write(self.command);
        }
    }

    /// Returns whether all memory that the Base Address Registers place lies in the window.
    fn fits(&self) -> bool {
        let Window { start, size } = self.window;
        self.view.bars.iter().enumerate().filter(|(_, rule)| rule.size > 0).all(|(bar, rule)| {
            let word = |bar: usize| u64::from(self.bars.get(bar).copied().unwrap_or(0));
            let upper = if rule.is_wide { word(bar.wrapping_add(1)) } else { 0 };
            let address = upper << 32 | word(bar) & !0xf;
            let offset = address.wrapping_sub(start);
            offset <= size && rule.size <= size.wrapping_sub(offset)
        })
    }
}

/// Returns the number of the register in which `size` bytes from `offset` are, their position in it
/// in bits, and the mask of a value of this size; `None` if they are not within one register.
fn part(offset: u16, size: u8) -> Option<(usize, u32, u32)> {
    let shift = u32::from(offset & 3) * 8;
    let mask = match size {
        1 => 0xff,
        2 if offset & 3 != 3 => 0xffff,
        4 if shift == 0 => u32::MAX,
        _ => return None,
    };
    Some((usize::from(offset / 4), shift, mask))
}
