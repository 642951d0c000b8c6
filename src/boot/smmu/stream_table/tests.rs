use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::smmu::queue::QueueSize;

fn features(stream_bits: u32, has_two_levels: bool) -> Features {
    Features { stream_bits, has_two_levels, ..Features::ASSUMED }
}

/// A table in memory at `base`, with these streams open.
struct Memory {
    base: u64,
    words: Vec<u64>,
    cfg: u32,
}

impl Memory {
    fn new(layout: &Layout, features: &Features, base: u64, ids: &[u32]) -> Self {
        let mut words = vec![0; (layout.size() / 8) as usize];
        layout.write_closed(Pa::new(base), &mut |offset, word| words[(offset / 8) as usize] = word);
        for id in ids {
            let at = (layout.offset(*id).unwrap() / 8) as usize;
            let reached = Reached { vmid: 1, root: Pa::new(0x4000_0000) };
            let mut entry = reached.entry(features);
            entry[0] = StreamState::Open.word();
            words[at..at + 8].copy_from_slice(&entry);
        }
        Self { base, words, cfg: layout.base_cfg() }
    }

    fn word(&self, address: u64) -> u64 {
        self.words[((address - self.base) / 8) as usize]
    }

    /// Looks a stream up as an SMMU does (IHI 0070, 3.3.2); `None` is C_BAD_STREAMID.
    fn config(&self, id: u32) -> Option<u64> {
        let (log2, split) = (self.cfg & 0x3f, self.cfg >> 6 & 0x1f);
        if u64::from(id) >> log2 != 0 {
            return None;
        }
        let mut entry = self.base + u64::from(id) * 64;
        if self.cfg >> 16 == 1 {
            let descriptor = self.word(self.base + u64::from(id >> split) * 8);
            let span = descriptor & 0x1f;
            let index = u64::from(id) & ((1 << split) - 1);
            if span == 0 || index >= 1 << (span - 1) {
                return None;
            }
            let table = descriptor & 0x000f_ffff_ffff_ffc0;
            assert!(table.is_multiple_of(64 << (span - 1)), "second-level tables are aligned");
            entry = table + index * 64;
        }
        let word = self.word(entry);
        assert_eq!(word & 1, 1, "an entry that exists is valid");
        Some(word >> 1 & 0b111)
    }
}

proptest! {
    #[test]
    fn exactly_the_given_streams_are_open(
        bits in 1..=24_u32,
        seeds in prop::collection::vec(any::<u32>(), 1..6),
        probes in prop::collection::vec(any::<u32>(), 20),
        has_two_levels: bool,
    ) {
        let features = features(bits, has_two_levels);
        let ids: Vec<_> = seeds.iter().map(|seed| seed & ((1 << bits) - 1)).collect();
        let layout = match Layout::new(&features, &ids) {
            Ok(layout) => layout,
            Err(id) => {
                prop_assert!(!has_two_levels && id >> 16 != 0 && ids.contains(&id));
                return Ok(());
            }
        };
        let base = layout.align() * 3;
        prop_assert!(layout.size().is_multiple_of(PAGE_SIZE));
        prop_assert!(layout.base_cfg() & 0x3f <= bits, "LOG2SIZE is at most SIDSIZE");
        let memory = Memory::new(&layout, &features, base, &ids);
        let near = ids.iter().flat_map(|id| [id.wrapping_sub(1), id + 1, id ^ 64, id ^ 1024]);
        let probes = probes.into_iter().chain(near).chain(ids.iter().copied());
        for probe in probes {
            let probe = probe & ((1 << bits) - 1);
            let config = memory.config(probe);
            if ids.contains(&probe) {
                prop_assert_eq!(config, Some(0b110), "stage 2 only");
            } else {
                prop_assert!(matches!(config, None | Some(0)), "{:#x} is {:?}", probe, config);
            }
        }
    }
}

#[test]
fn tables_are_as_small_as_the_streams_allow() {
    let all = features(32, true);
    let pages = |ids: &[u32]| Layout::new(&all, ids).unwrap().size() / PAGE_SIZE;
    assert_eq!(pages(&[8]), 1);
    assert_eq!(pages(&[8, 0x3f]), 1);
    assert_eq!(pages(&[0xff]), 4);
    // 2 KiB of descriptors, and a page for each 64 streams.
    assert_eq!(pages(&[0x3fff]), 2);
    assert_eq!(pages(&[0x3fff, 0x3fc0, 0, 0x40]), 4);
    // 128 KiB of descriptors, and 64 KiB.
    assert_eq!(pages(&[0xff_ffff]), 48);
}

#[test]
fn a_stream_that_the_smmu_lacks_is_named() {
    assert_eq!(Layout::new(&features(8, true), &[3, 0x100]), Err(0x100));
    assert_eq!(Layout::new(&features(32, true), &[0x100_0000]), Err(0x100_0000));
    assert_eq!(Layout::new(&features(32, false), &[0x1_0000]), Err(0x1_0000));
    assert!(Layout::new(&features(16, false), &[0xffff]).is_ok());
}

/// Bits as in the architecture's table of the entry, for 40-bit outputs.
#[test]
fn an_entry_is_as_the_architecture_says() {
    let reached = Reached { vmid: 0xfe, root: Pa::new(0x4080_1000) };
    let features = Features { output_size: 2, ..Features::ASSUMED };
    let entry = reached.entry(&features);
    let field = |low: usize, bits: usize| entry[low / 64] >> (low % 64) & ((1 << bits) - 1);
    assert_eq!((field(0, 1), field(1, 3)), (1, 0), "V, Config: closed");
    let attributes = [(83, 1, 1), (92, 2, 0), (96, 4, 0), (100, 1, 0), (108, 2, 1)];
    let stage_2 = [
        (128, 16, 0xfe),      // S2VMID
        (160, 6, 25),         // S2T0SZ
        (166, 2, 1),          // S2SL0
        (168, 6, 0b11_01_01), // S2SH0, S2OR0, S2IR0
        (174, 2, 0),          // S2TG
        (176, 3, 2),          // S2PS
        (179, 4, 0b0101),     // S2AA64, S2ENDI, S2AFFD, S2PTW
        (183, 4, 0b1000),     // S2HD, S2HA, S2S, S2R
    ];
    for (low, bits, value) in attributes.into_iter().chain(stage_2) {
        assert_eq!(field(low, bits), value, "bit {low}");
    }
    assert_eq!(entry[3..], [0x4080_1000, 0, 0, 0, 0]);
    let distant = Features { is_coherent: false, ..features };
    assert_eq!(reached.entry(&distant)[2], entry[2] & !(0x3f << 40));
    assert_eq!(QueueSize::new(8), features.commands);
}
