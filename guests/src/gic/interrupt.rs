//! Interrupts as the CPU interface acknowledges them, and the targets of SGIs.

/// An acknowledged interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupt {
    /// Which.
    pub intid: u32,
    /// The CPU interface that sent it: for an SGI on GICv2 only, else 0.
    pub source: u32,
}

/// Whom an SGI goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The CPU with this index.
    Cpu(usize),
    /// All CPUs but the sender.
    Others,
    /// The sender.
    Own,
}
