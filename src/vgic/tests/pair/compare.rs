//! Compares all registers that a guest can read with those of the reference.

use super::Pair;
use crate::vgic::tests::system::{FOREIGN, HARDWARE_SPIS, SOFTWARE_SPI};
use crate::vgic::*;

impl Pair {
    pub(super) fn compare(&mut self) {
        let always = if self.version == Version::V3 { 1 << 4 | 1 << 6 } else { 0 };
        let control = u64::from(self.reference.enables) | always;
        assert_eq!(self.system.read(0, 0, 4), control, "CTLR");
        for cpu in 0..self.cpus() {
            for word in [0, 1, 2, 16] {
                self.compare_bits(cpu, word);
                self.compare_fields(cpu, word);
            }
            if self.version == Version::V2 {
                for first in [0, 4, 8, 12] {
                    let sources = (first..first + 4).map(|sgi| self.reference.sources(cpu, sgi));
                    let expected =
                        sources.rev().fold(0, |value, byte| value << 8 | u64::from(byte));
                    for base in [0xf10, 0xf20] {
                        let actual = self.system.read(cpu, base + first as u64, 4);
                        assert_eq!(actual, expected, "sources of SGIs at {base:#x}");
                    }
                }
            }
        }
        self.compare_routes();
    }

    /// Compares the registers with a bit for each interrupt.
    fn compare_bits(&mut self, cpu: usize, word: usize) {
        let reference = &mut self.reference;
        let group = reference.read(cpu, word, |r, intid| r.at(cpu, intid).group == 1);
        let enabled = reference.read(cpu, word, |r, intid| r.at(cpu, intid).enabled);
        let pending = reference.read(cpu, word, |r, intid| r.is_pending(cpu, intid));
        let active = reference.read(cpu, word, |r, intid| r.at(cpu, intid).active);
        for (offset, expected) in [
            (0x80, group),
            (0x100, enabled),
            (0x180, enabled),
            (0x200, pending),
            (0x280, pending),
            (0x300, active),
            (0x380, active),
        ] {
            let actual = self.system.read_state(cpu, offset, word);
            assert_eq!(actual, expected, "bits {actual:#x} at {offset:#x} of word {word}");
        }
    }

    /// Compares IPRIORITYR, by words, and ICFGR.
    fn compare_fields(&mut self, cpu: usize, word: usize) {
        for first in (word * 32..word * 32 + 32).step_by(4) {
            let fields = (first..first + 4).map(|intid| {
                let state = self.reference.at(cpu, intid);
                if state.owned { state.priority } else { 0 }
            });
            let expected = fields.rev().fold(0, |value, byte| value << 8 | u32::from(byte));
            let actual = self.system.read_field(cpu, 0x400 + first as u64, word);
            assert_eq!(actual, expected, "IPRIORITYR of {first}");
        }
        for first in [word * 32, word * 32 + 16] {
            let edge = (0..16).filter(|i| {
                let state = self.reference.at(cpu, first + i);
                state.owned && state.edge
            });
            let expected = edge.fold(0, |value, i| value | 2 << (2 * i));
            let actual = self.system.read_field(cpu, 0xc00 + first as u64 / 4, word);
            assert_eq!(actual, expected, "ICFGR of {first}");
        }
    }

    /// Compares ITARGETSR or IROUTER of the shared interrupts.
    fn compare_routes(&mut self) {
        for intid in FOREIGN.into_iter().chain([SOFTWARE_SPI]).chain(HARDWARE_SPIS) {
            if intid >= 32 {
                let (offset, size) = match self.version {
                    Version::V2 => (0x800 + intid as u64, 1),
                    Version::V3 => (0x6000 + 8 * intid as u64, 8),
                };
                let expected = self.reference.at(0, intid).written;
                assert_eq!(self.system.read(0, offset, size), expected, "the route of {intid}");
            }
        }
    }
}
