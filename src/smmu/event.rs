//! Events that an SMMU records (IHI 0070, 7.3).

use core::fmt;

/// The number of doublewords of a record.
pub const WORDS: usize = 4;

/// An event record, as it is in the event queue.
pub type Record = [u64; WORDS];

/// An event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// The StreamID of the access.
    pub stream: u32,
    /// What happened to the access.
    pub what: What,
}

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The device accessed an address that its partition's tables refuse.
    Refused(Access),
    /// Something else, by the number of the event: an entry or a table that the SMMU cannot use or
    /// read, or a request of the device that it does not support.
    Other(u8),
}

/// An access that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// The address that the device used, a guest address of its partition.
    pub address: u64,
    /// Whether it wrote.
    pub is_write: bool,
    /// Whether the address is mapped, but not for such an access: F_PERMISSION.
    pub is_mapped: bool,
}

impl Event {
    /// Decodes a record.
    pub fn decode([kind, flags, address, _]: Record) -> Self {
        // RnW: the access was a read.
        const READ: u64 = 1 << 35;
        let access = |is_mapped| Access { address, is_write: flags & READ == 0, is_mapped };
        let what = match kind as u8 {
            // F_TRANSLATION, F_ADDR_SIZE and F_ACCESS.
            0x10..=0x12 => What::Refused(access(false)),
            // F_PERMISSION.
            0x13 => What::Refused(access(true)),
            number => What::Other(number),
        };
        Self { stream: (kind >> 32) as u32, what }
    }
}

/// A clause behind `DMA of <device>`.
impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Access { address, is_write, is_mapped }) => {
                // Not by `str`'s own `Display`, which only boot may use.
                f.write_str(if *is_write { "to " } else { "from " })?;
                write!(f, "{address:#x} refused")?;
                f.write_str(if *is_mapped { ", which is read-only" } else { "" })
            }
            Self::Other(number) => {
                // As 64 bits, for which there is code already.
                write!(f, "failed, event {:#x} of the SMMU", u64::from(*number))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    const READ: u64 = 1 << 35;
    /// Flags beside the direction: privileged, stage 2, class "input address", a tag.
    const MORE: u64 = 1 << 33 | 1 << 39 | 0b10 << 40 | 0xffff;

    fn text(record: Record) -> (u32, std::string::String) {
        let event = Event::decode(record);
        (event.stream, event.what.to_string())
    }

    #[test]
    fn refused_accesses_are_decoded() {
        let record = |number: u64, flags| [number | 8 << 32, flags, 0x5c40_0000, 0x5c40_0000];
        assert_eq!(text(record(0x10, 0)), (8, "to 0x5c400000 refused".into()));
        assert_eq!(text(record(0x10, READ | MORE)), (8, "from 0x5c400000 refused".into()));
        let read_only = "to 0x5c400000 refused, which is read-only";
        assert_eq!(text(record(0x13, MORE)), (8, read_only.into()));
        assert_eq!(text(record(0x11, MORE)), (8, "to 0x5c400000 refused".into()));
        let Event { what, .. } = Event::decode(record(0x12, READ));
        let access = Access { address: 0x5c40_0000, is_write: false, is_mapped: false };
        assert_eq!(what, What::Refused(access));
    }

    #[test]
    fn streams_of_32_bits_are_kept_apart_from_substreams() {
        let record = [0x10 | 1 << 11 | 0xf_ffff << 12 | 0xffff_ffff << 32, 0, u64::MAX, 0];
        assert_eq!(text(record), (u32::MAX, "to 0xffffffffffffffff refused".into()));
    }

    #[test]
    fn other_events_have_their_number() {
        for number in (0..=0xff).filter(|number| !(0x10..=0x13).contains(number)) {
            let Event { stream, what } = Event::decode([number | 3 << 32, READ, 1, 2]);
            assert_eq!((stream, what), (3, What::Other(number as u8)));
        }
        assert_eq!(text([4, 0, 0, 0]), (0, "failed, event 0x4 of the SMMU".into()));
    }
}
