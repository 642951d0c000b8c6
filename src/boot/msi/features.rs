//! What an ITS can do, from its registers.

use super::registers::BASERS;

/// Types of the tables of GITS_BASER<n>, bits 58:56.
const TYPE_DEVICES: u64 = 1;
const TYPE_COLLECTIONS: u64 = 4;

/// A table that an ITS needs memory for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableRegister {
    /// The number n of its GITS_BASER<n>.
    pub number: usize,
    /// The bytes of an entry: 1 to 32.
    pub entry: u64,
}

/// What an ITS can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features {
    /// The bytes of an entry of an interrupt translation table: 1 to 16.
    pub translation: u64,
    /// The number of bits of DeviceIDs: 1 to 32.
    pub device_bits: u32,
    /// The number of bits of EventIDs: 1 to 32.
    pub event_bits: u32,
    /// Whether a redistributor is named by its address, and not by the number of its processor.
    pub has_addresses: bool,
    /// The table of devices.
    pub devices: TableRegister,
    /// The table of collections, if those are in memory.
    pub collections: Option<TableRegister>,
}

impl Features {
    /// What an ITS has of which only the tree is known: that of QEMU.
    pub const ASSUMED: Self = Self {
        translation: 12,
        device_bits: 16,
        event_bits: 16,
        has_addresses: false,
        devices: TableRegister { number: 0, entry: 8 },
        collections: Some(TableRegister { number: 1, entry: 8 }),
    };

    /// Reads the features from GITS_TYPER and GITS_BASER<n>.
    ///
    /// # Errors
    ///
    /// What the ITS lacks, as a clause.
    pub fn read(typer: u64, basers: [u64; BASERS]) -> Result<Self, &'static str> {
        if typer & 1 == 0 {
            return Err("has no physical LPIs");
        }
        let table = |kind| {
            let number = basers.iter().position(|baser| baser >> 56 & 0b111 == kind)?;
            Some(TableRegister { number, entry: (basers[number] >> 48 & 0x1f) + 1 })
        };
        Ok(Self {
            translation: (typer >> 4 & 0xf) + 1,
            device_bits: (typer >> 13 & 0x1f) as u32 + 1,
            event_bits: (typer >> 8 & 0x1f) as u32 + 1,
            has_addresses: typer >> 19 & 1 != 0,
            devices: table(TYPE_DEVICES).ok_or("has no table of devices")?,
            collections: table(TYPE_COLLECTIONS),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemus_registers_are_read() {
        let mut basers = [0; BASERS];
        basers[0] = 0x0107_0000_0000_0000;
        basers[1] = 0x0407_0000_0000_0000;
        // HCC = 0, PTA = 0, 16 bits of DeviceIDs and EventIDs, entries of 12 bytes.
        let typer = 0x1_001e_efb1;
        let features = Features::read(typer, basers).unwrap();
        assert_eq!((features.translation, features.device_bits), (12, 24));
        assert_eq!((features.event_bits, features.has_addresses), (16, true));
        assert_eq!(features.devices, TableRegister { number: 0, entry: 8 });
        assert_eq!(features.collections, Some(TableRegister { number: 1, entry: 8 }));
        basers.swap(0, 5);
        let moved = Features::read(typer & !(1 << 19), basers).unwrap();
        assert_eq!((moved.devices.number, moved.has_addresses), (5, false));
        basers[1] = 0;
        assert_eq!(Features::read(typer, basers).unwrap().collections, None);
    }

    #[test]
    fn an_its_that_cannot_be_used_says_why() {
        let mut basers = [0; BASERS];
        assert_eq!(Features::read(1, basers), Err("has no table of devices"));
        basers[0] = TYPE_DEVICES << 56;
        assert_eq!(Features::read(0, basers), Err("has no physical LPIs"));
    }
}
