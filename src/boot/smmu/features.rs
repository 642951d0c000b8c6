//! What an SMMU can do, from its ID registers (IHI 0070, 6.3.1 to 6.3.6).

use crate::smmu::queue::QueueSize;

/// What Bulkhead uses of an SMMU that can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features {
    /// The number of bits of a StreamID, up to 32 (SMMU_IDR1.SIDSIZE).
    pub stream_bits: u32,
    /// Whether the stream table can have two levels (SMMU_IDR0.ST_LEVEL).
    pub has_two_levels: bool,
    /// Whether its accesses to tables and queues are coherent with the caches (SMMU_IDR0.COHACC).
    pub is_coherent: bool,
    /// Whether devices can ask it for translations (SMMU_IDR0.ATS).
    pub has_ats: bool,
    /// The size of its output addresses, as in SMMU_IDR5.OAS and in S2PS of an entry.
    pub output_size: u8,
    /// The size of its command queue.
    pub commands: QueueSize,
    /// The size of its event queue.
    pub events: QueueSize,
}

/// The sizes of the queues, unless the SMMU is limited to less: a page each.
const COMMANDS_LOG2: u32 = 8;
const EVENTS_LOG2: u32 = 7;

impl Features {
    /// What `make check` assumes, which has no registers: an SMMU without limits.
    pub const ASSUMED: Self = Self {
        stream_bits: 32,
        has_two_levels: true,
        is_coherent: true,
        has_ats: true,
        output_size: 0b101,
        commands: QueueSize::new(COMMANDS_LOG2),
        events: QueueSize::new(EVENTS_LOG2),
    };

    /// Decodes SMMU_IDR0, SMMU_IDR1 and SMMU_IDR5.
    ///
    /// # Errors
    ///
    /// What the SMMU lacks, as a clause.
    pub fn read(idr0: u32, idr1: u32, idr5: u32) -> Result<Self, &'static str> {
        let field = |register: u32, low: u32, bits: u32| register >> low & ((1 << bits) - 1);
        let (translation_formats, endianness) = (field(idr0, 2, 2), field(idr0, 21, 2));
        let output_size = field(idr5, 0, 3);
        let needs = [
            // S2P.
            (field(idr0, 0, 1) == 1, "has no stage 2"),
            // TTF: 2 is AArch64, 3 both states.
            (translation_formats & 0b10 != 0, "does not read tables of AArch64"),
            // TTENDIAN: 3 is big-endian alone.
            (endianness != 0b11, "reads tables in big-endian order only"),
            // STALL_MODEL: 2 forces stalls, which a device could leave unanswered for ever.
            (field(idr0, 24, 2) != 0b10, "does not abort accesses that fault, but stalls them"),
            // TABLES_PRESET and QUEUES_PRESET.
            (field(idr1, 29, 2) == 0, "has tables or queues at fixed addresses"),
            // GRAN4K.
            (field(idr5, 4, 1) == 1, "has no translation granule of 4 KiB"),
            // OAS: 2 is 40 bits. Guest addresses have 39, and must not have more than outputs.
            (output_size >= 2, "has output addresses of less than 40 bits"),
        ];
        if let Some((_, lacks)) = needs.into_iter().find(|(is_met, _)| !is_met) {
            return Err(lacks);
        }
        Ok(Self {
            // Larger values are reserved.
            stream_bits: field(idr1, 0, 6).min(32),
            has_two_levels: field(idr0, 27, 2) == 1,
            is_coherent: field(idr0, 4, 1) == 1,
            has_ats: field(idr0, 10, 1) == 1,
            // 48 bits are enough for all addresses that Bulkhead maps.
            output_size: output_size.min(0b101) as u8,
            commands: QueueSize::new(field(idr1, 21, 5).min(COMMANDS_LOG2)),
            events: QueueSize::new(field(idr1, 16, 5).min(EVENTS_LOG2)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// QEMU's: IDR1 has SIDSIZE = 16, CMDQS = EVENTQS = 19.
    const QEMU: [u32; 3] = [0x0d44_101b, 16 | 19 << 16 | 19 << 21, 0x54];

    fn read([idr0, idr1, idr5]: [u32; 3]) -> Result<Features, &'static str> {
        Features::read(idr0, idr1, idr5)
    }

    #[test]
    fn the_smmu_of_qemu_is_enough() {
        let features = Features {
            stream_bits: 16,
            has_two_levels: true,
            is_coherent: true,
            has_ats: false,
            output_size: 4,
            commands: QueueSize::new(8),
            events: QueueSize::new(7),
        };
        assert_eq!(read(QEMU), Ok(features));
    }

    #[test]
    fn smaller_ones_are_used_as_they_are() {
        let [idr0, _, _] = QEMU;
        // Linear tables, not coherent, 7 bits of StreamIDs, 4 commands, 2 events, 52 bits.
        let small = read([idr0 & !(0b11 << 27 | 1 << 4), 7 | 1 << 16 | 2 << 21, 0x16]).unwrap();
        assert!(!small.has_two_levels && !small.is_coherent);
        assert_eq!((small.stream_bits, small.output_size), (7, 5));
        assert_eq!((small.commands.entries(), small.events.entries()), (4, 2));
        let [_, idr1, idr5] = QEMU;
        assert_eq!(read([idr0, idr1 | 0x3f, idr5]).unwrap().stream_bits, 32);
        assert!(read([idr0 | 1 << 10, idr1, idr5]).unwrap().has_ats);
    }

    #[test]
    fn what_is_insufficient_is_refused() {
        let [idr0, idr1, idr5] = QEMU;
        for (registers, lacks) in [
            ([idr0 & !1, idr1, idr5], "stage 2"),
            ([idr0 & !(1 << 3), idr1, idr5], "AArch64"),
            ([idr0 | 0b11 << 21, idr1, idr5], "big-endian"),
            ([idr0 & !(0b11 << 24) | 0b10 << 24, idr1, idr5], "stalls"),
            ([idr0, idr1 | 1 << 29, idr5], "fixed addresses"),
            ([idr0, idr1 | 1 << 30, idr5], "fixed addresses"),
            ([idr0, idr1, idr5 & !(1 << 4)], "4 KiB"),
            ([idr0, idr1, idr5 & !0b111 | 1], "40 bits"),
        ] {
            let error = read(registers).unwrap_err();
            assert!(error.contains(lacks), "{registers:x?}: {error}");
        }
        // Both formats of tables, either order of bytes, and no stalls at all.
        for idr0 in [idr0 | 1 << 2, idr0 & !(0b11 << 21), idr0 & !(0b11 << 24) | 1 << 24] {
            assert!(read([idr0, idr1, idr5]).is_ok(), "{idr0:#x}");
        }
    }
}
