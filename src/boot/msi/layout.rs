//! The layout of the memory of an ITS and of the LPIs: the command queue, the tables of devices and
//! of collections, a table with the translations of each device, the configuration of all LPIs, and
//! for each redistributor which of them are pending.

use super::Features;
use crate::arch::addr::PAGE_SIZE;
use crate::arch::intid::Intid;

/// All tables but those with translations start at multiples of this many bytes: GICR_PENDBASER
/// requires it, and an ITS may have no smaller pages.
pub const UNIT: u64 = 0x1_0000;
/// The size of the command queue in bytes: 128 commands.
pub const QUEUE_SIZE: u64 = PAGE_SIZE;
/// The largest size of the table of devices in bytes. It has an entry for each DeviceID up to the
/// last one that is used.
const MOST_DEVICES: u64 = 1 << 20;
/// The largest number of bits of the INTIDs of LPIs that Bulkhead uses.
const MOST_BITS: u32 = 16;
/// An interrupt translation table starts at a multiple of this many bytes (IHI 0069, MAPD).
const TRANSLATION_ALIGN: u64 = 0x100;

/// The largest number of sources of messages, functions of partitions, which their LPIs limit.
pub const MOST_SOURCES: usize =
    ((1 << MOST_BITS) - Intid::LPI_START as usize) / Intid::LPIS_OF_SOURCE as usize;

/// The layout, as offsets in bytes from its start, a multiple of [`UNIT`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The number of bits of the INTIDs of LPIs.
    pub lpi_bits: u32,
    /// The number of bits of EventIDs.
    pub event_bits: u32,
    /// The offset of the table of devices, and its size. The command queue is at 0.
    pub devices: (u64, u64),
    /// The offset of the table of collections, and its size, which may be 0.
    pub collections: (u64, u64),
    /// The offset of the configuration of LPIs, a byte for each, and the size.
    pub configuration: (u64, u64),
    /// The offset of the first redistributor's table of pending LPIs; the others follow, each a
    /// [`UNIT`].
    pub pending: u64,
    /// The offset of the first device's translations.
    pub translations: u64,
    /// The bytes from one device's translations to the next one's.
    pub translations_step: u64,
    /// The size of all of them.
    pub size: u64,
}

impl Layout {
    /// Returns the layout for an ITS with these features, for the devices with these DeviceIDs, whose
    /// EventIDs are up to `last_event`, and for this number of redistributors and of collections.
    ///
    /// # Errors
    ///
    /// The DeviceID for which the ITS has no entry or the table would be too large, or the last one
    /// if there are too many devices or events.
    pub fn new(
        features: &Features,
        devices: &[u32],
        last_event: u32,
        redistributors: usize,
        collections: usize,
    ) -> Result<Self, u32> {
        let last = devices.iter().copied().max().unwrap_or(0);
        let event_bits = (u32::BITS - last_event.leading_zeros()).max(1);
        let entries = (u64::from(last) + 1) * features.devices.entry;
        let is_too_large = entries > MOST_DEVICES || u64::from(last) >> features.device_bits != 0;
        if is_too_large || event_bits > features.event_bits || devices.len() > MOST_SOURCES {
            return Err(last);
        }
        let sources = devices.len() as u32;
        let end = Intid::LPI_START + sources * Intid::LPIS_OF_SOURCE;
        // 14 bits at least (IHI 0069, GICD_TYPER.IDbits).
        let lpi_bits = (u32::BITS - (end - 1).leading_zeros()).max(14);
        let mut next = UNIT;
        let mut part = |size: u64| {
            let offset = next;
            next += size.next_multiple_of(UNIT);
            (offset, size.next_multiple_of(UNIT))
        };
        let devices_table = part(entries);
        let entry = features.collections.map_or(0, |it| it.entry);
        let collections = part(entry * collections as u64);
        let configuration = part((1 << lpi_bits) - u64::from(Intid::LPI_START));
        let (pending, _) = part(UNIT * redistributors as u64);
        let table = features.translation << event_bits;
        let step = table.next_multiple_of(TRANSLATION_ALIGN);
        let (translations, _) = part(step * devices.len() as u64);
        Ok(Self {
            lpi_bits,
            event_bits,
            devices: devices_table,
            collections,
            configuration,
            pending,
            translations,
            translations_step: step,
            size: next,
        })
    }

    /// Returns the offset of the translations of the device with this index.
    pub fn translations(&self, index: usize) -> u64 {
        self.translations + self.translations_step * index as u64
    }

    /// Returns the offset of the table of pending LPIs of the redistributor with this index.
    pub fn pending(&self, index: usize) -> u64 {
        self.pending + UNIT * index as u64
    }

    /// Returns the offset of the byte that configures an LPI.
    pub fn configuration_of(&self, lpi: u32) -> u64 {
        self.configuration.0 + u64::from(lpi.saturating_sub(Intid::LPI_START))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn parts_follow_each_other_and_have_room_for_all_that_is_used() {
        for (devices, last_event) in [(&[8_u32, 16][..], 111), (&[0x1ff][..], 1019)] {
            let layout = Layout::new(&Features::ASSUMED, devices, last_event, 4, 4).unwrap();
            let Layout { devices: table, collections, configuration, .. } = layout;
            let queue = (0, QUEUE_SIZE);
            let pending = (0..4).map(|it| (layout.pending(it), UNIT));
            let of_device = |index| (layout.translations(index), 12 << layout.event_bits);
            let translations = (0..devices.len()).map(of_device);
            let fixed = [queue, table, collections, configuration].into_iter();
            let parts: Vec<_> = fixed.chain(pending).chain(translations).collect();
            for (index, (start, size)) in parts.iter().enumerate() {
                let align = if index < 8 { UNIT } else { 0x100 };
                assert!(start % align == 0, "{layout:?}");
                let end = parts.get(index + 1).map_or(layout.size, |(next, _)| *next);
                assert!(start + size <= end, "{index}: {layout:?}");
            }
            assert!(last_event >> layout.event_bits == 0);
            assert!(u64::from(*devices.last().unwrap()) < table.1 / 8);
            let last = Intid::new(1019).unwrap().lpi(devices.len() as u32 - 1);
            assert!(last >> layout.lpi_bits == 0);
            assert!(layout.configuration_of(last) < configuration.0 + configuration.1);
            assert!(layout.pending(0) + (1 << layout.lpi_bits) / 8 <= layout.pending(1));
        }
    }

    #[test]
    fn intids_have_no_more_bits_than_the_sources_need() {
        let devices: Vec<u32> = (0..=MOST_SOURCES as u32).collect();
        let bits = |count: usize| {
            Layout::new(&Features::ASSUMED, &devices[..count], 95, 1, 1).map(|it| it.lpi_bits)
        };
        assert_eq!([1, 8, 9, 24, 25, 56].map(bits), [14, 14, 15, 15, 16, 16].map(Ok));
        assert_eq!(bits(57), Err(56));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let features = Features { event_bits: 5, device_bits: 20, ..Features::ASSUMED };
        let new = |device, event| Layout::new(&features, &[device], event, 1, 1).err();
        assert_eq!(new(8, 31), None);
        assert_eq!(new(8, 32), Some(8), "the ITS has 32 events");
        assert_eq!(new(0x1_ffff, 31), None);
        assert_eq!(new(0x2_0000, 31), Some(0x2_0000), "the table would have more than 1 MiB");
        let features = Features { device_bits: 4, ..features };
        assert_eq!(Layout::new(&features, &[16], 31, 1, 1), Err(16), "the ITS has 16 devices");
    }
}
