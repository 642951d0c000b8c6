//! Commands to an SMMU (IHI 0070, chapter 4).

/// The number of doublewords of a command.
pub const WORDS: usize = 2;

/// A command, as it is in the command queue.
pub type Encoded = [u64; WORDS];

/// A command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// CMD_CFGI_STE: the SMMU reads the stream table entry of this StreamID again.
    ForgetStream(u32),
    /// CMD_CFGI_ALL: it reads all entries again.
    ForgetStreams,
    /// CMD_TLBI_S12_VMALL: it forgets all translations of this VMID.
    ForgetTranslations(u8),
    /// CMD_TLBI_NSNH_ALL: it forgets all translations but those of its own EL2.
    ForgetAllTranslations,
    /// CMD_SYNC without an interrupt: once it is consumed, the commands before it are complete, and
    /// so are the accesses that used what they invalidate.
    Synchronize,
}

impl Command {
    /// Returns the command's doublewords. All commands are for Non-secure streams.
    #[inline(never)]
    pub fn encode(self) -> Encoded {
        const LEAF: u64 = 1;
        const ALL_STREAMS: u64 = 31;
        match self {
            Self::ForgetStream(id) => [0x03 | u64::from(id) << 32, LEAF],
            Self::ForgetStreams => [0x04, ALL_STREAMS],
            Self::ForgetTranslations(vmid) => [0x28 | u64::from(vmid) << 32, 0],
            Self::ForgetAllTranslations => [0x30, 0],
            Self::Synchronize => [0x46, 0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_as_the_architecture_says() {
        assert_eq!(Command::ForgetStream(0x1_0008).encode(), [0x0001_0008_0000_0003, 1]);
        assert_eq!(Command::ForgetStreams.encode(), [4, 31]);
        assert_eq!(Command::ForgetTranslations(0xff).encode(), [0xff_0000_0028, 0]);
        assert_eq!(Command::ForgetAllTranslations.encode(), [0x30, 0]);
        assert_eq!(Command::Synchronize.encode(), [0x46, 0]);
    }
}
