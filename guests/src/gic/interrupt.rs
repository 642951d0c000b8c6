//! Acknowledged interrupts, and the targets of SGIs.

/// An acknowledged interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupt {
    /// Its INTID.
    pub intid: u32,
    /// The number of the CPU interface that sent it, for an SGI on GICv2; otherwise 0.
    pub source: u32,
}

/// The target of an SGI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The CPU with this index.
    Cpu(usize),
    /// All CPUs except the sender.
    Others,
    /// The sender.
    Own,
}
