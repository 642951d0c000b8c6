//! Commands to an ITS (IHI 0069, 5.3).

/// The number of doublewords of a command.
pub const WORDS: usize = 4;

/// A command, as it is in the command queue.
pub type Encoded = [u64; WORDS];

/// A command. A device is named by its DeviceID, a collection by its ICID, a redistributor by its
/// RDbase, whose bits 15:0 are zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// MAPD: the device has `1 << bits` events, whose translations are at the address `table`, a
    /// multiple of 256.
    MapDevice {
        /// The device.
        device: u32,
        /// The interrupt translation table.
        table: u64,
        /// The number of bits of its EventIDs: 1 to 32.
        bits: u32,
    },
    /// MAPC: the interrupts of the collection go to the redistributor.
    MapCollection {
        /// The collection.
        collection: u16,
        /// The redistributor.
        target: u64,
    },
    /// MAPTI: the event is this LPI in this collection.
    MapInterrupt {
        /// The device.
        device: u32,
        /// The event.
        event: u32,
        /// The LPI.
        lpi: u32,
        /// The collection.
        collection: u16,
    },
    /// MOVI: the event is in another collection, and its LPI with it, if it is pending.
    Move {
        /// The device.
        device: u32,
        /// The event.
        event: u32,
        /// The collection.
        collection: u16,
    },
    /// CLEAR: the event's LPI is not pending.
    Clear {
        /// The device.
        device: u32,
        /// The event.
        event: u32,
    },
    /// INVALL: the LPIs of the collection have the configuration that is in memory.
    Reload(u16),
    /// SYNC: once it is carried out, the commands before it have taken effect at the redistributor.
    Synchronize(u64),
}

impl Command {
    /// Returns the command's doublewords.
    #[inline(never)]
    pub fn encode(self) -> Encoded {
        /// V of MAPD and MAPC: what is mapped is valid.
        const VALID: u64 = 1 << 63;
        let of = |device: u32| u64::from(device) << 32;
        match self {
            Self::MapDevice { device, table, bits } => {
                [0x08 | of(device), u64::from(bits.wrapping_sub(1)), VALID | table, 0]
            }
            Self::MapCollection { collection, target } => {
                [0x09, 0, VALID | target | u64::from(collection), 0]
            }
            Self::MapInterrupt { device, event, lpi, collection } => {
                [0x0a | of(device), u64::from(lpi) << 32 | u64::from(event), collection.into(), 0]
            }
            Self::Move { device, event, collection } => {
                [0x01 | of(device), event.into(), collection.into(), 0]
            }
            Self::Clear { device, event } => [0x04 | of(device), event.into(), 0, 0],
            Self::Reload(collection) => [0x0d, 0, collection.into(), 0],
            Self::Synchronize(target) => [0x05, 0, target, 0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_as_the_architecture_says() {
        let device = 0x1_0008;
        let map = Command::MapDevice { device, table: 0x4_5600_0100, bits: 10 };
        assert_eq!(map.encode(), [0x0001_0008_0000_0008, 9, 1 << 63 | 0x4_5600_0100, 0]);
        let map = Command::MapCollection { collection: 3, target: 0x80c_0000 };
        assert_eq!(map.encode(), [9, 0, 0x8000_0000_080c_0003, 0]);
        let map = Command::MapInterrupt { device, event: 0x60, lpi: 0x2060, collection: 2 };
        assert_eq!(map.encode(), [0x0001_0008_0000_000a, 0x2060_0000_0060, 2, 0]);
        let event = 0x61;
        let moved = Command::Move { device, event, collection: 1 };
        assert_eq!(moved.encode(), [0x0001_0008_0000_0001, 0x61, 1, 0]);
        assert_eq!(Command::Clear { device, event }.encode(), [0x0001_0008_0000_0004, 0x61, 0, 0]);
        assert_eq!(Command::Reload(7).encode(), [0x0d, 0, 7, 0]);
        assert_eq!(Command::Synchronize(2 << 16).encode(), [5, 0, 2 << 16, 0]);
    }
}
