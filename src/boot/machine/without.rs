//! `without=` on the machine's command line: features of the CPU that Bulkhead must not touch.
//!
//! Firmware older than a feature may trap EL2's accesses to the feature's registers to EL3, which
//! ends the machine, although the ID registers show the feature. Nothing at EL2 shows this.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::arch::system_registers::{Field, IdRegisters, field::*};
use crate::boot::text::printable;

/// The words, each with the ID fields that read as zero: those of the registers that EL3 can keep
/// from EL2, and of what they enable.
const WORDS: &[(&str, &[Field])] = &[
    // MPAM3_EL3.TRAPLOWER: MPAM2_EL2.
    ("mpam", &[MPAM, MPAM_FRAC]),
    // SCR_EL3.ATA: GCR_EL1, RGSR_EL1, TFSR_EL1 and TFSRE0_EL1.
    ("mte", &[MTE, MTE_FRAC, MTEX]),
    // CPTR_EL3.EZ: ZCR_EL2.
    ("sve", &[SVE]),
    // CPTR_EL3.ESM and SCR_EL3.EnTP2: SMCR_EL2, TPIDR2_EL0.
    ("sme", &[SME, FA64]),
    // SCR_EL3.FGTEn: HFGRTR_EL2 and its like.
    ("fgt", &[FGT]),
    // SCR_EL3.HXEn: HCRX_EL2, without whose bits guests cannot use the others.
    ("hcx", &[HCX, MOPS, LS64, TCRX, SCTLRX, GCS, THE, D128, FPMR, PACM, SRMASK]),
    // SCR_EL3.API and APK: the keys of pointer authentication, and its instructions.
    ("pauth", &[APA, API, APA3, GPA, GPI, GPA3, PAC_FRAC]),
    // SCR_EL3.EnSCXT: SCXTNUM_EL1 and SCXTNUM_EL0.
    ("scxt", &[CSV2, CSV2_FRAC]),
    // SCR_EL3.PIEn and AIEn: PIR_EL1, POR_EL1, MAIR2_EL1 and their like.
    ("pie", &[S1PIE, S1POE, AIE]),
];

/// The features to leave out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Without(u16);

impl Without {
    /// Reads the command line.
    ///
    /// # Errors
    ///
    /// A sentence without a full stop, if it names an unknown feature.
    pub fn read(command_line: &str) -> Result<Self, String> {
        let mut without = Self::default();
        let lists = command_line.split_ascii_whitespace();
        for list in lists.filter_map(|word| word.strip_prefix("without=")) {
            for word in list.split(',') {
                let Some(index) = WORDS.iter().position(|(name, _)| *name == word) else {
                    let known: Vec<_> = WORDS.iter().map(|(name, _)| *name).collect();
                    let (list, word, known) = (printable(list), printable(word), known.join(", "));
                    return Err(format!(
                        "/chosen: bootargs has without={list}, but \"{word}\" is no feature that \
                         can be left out: these are {known}, separated by commas"
                    ));
                };
                without.0 |= 1 << index;
            }
        }
        Ok(without)
    }

    /// Returns the names of the features.
    pub fn names(self) -> Vec<&'static str> {
        self.words().map(|(name, _)| *name).collect()
    }

    /// Removes the features from the ID registers of a CPU.
    pub fn remove_from(self, id: &mut IdRegisters) {
        for (_, fields) in self.words() {
            fields.iter().for_each(|field| id.clear(*field));
        }
    }

    fn words(self) -> impl Iterator<Item = &'static (&'static str, &'static [Field])> {
        WORDS.iter().enumerate().filter_map(move |(index, word)| {
            let is_named = self.0 >> index & 1 != 0;
            is_named.then_some(word)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;
    use crate::boot::el2_registers::{Choices, ControlRegisters};

    #[test]
    fn features_are_named_in_lists() {
        let names = |line| Without::read(line).map(Without::names);
        assert_eq!(names(""), Ok(vec![]));
        assert_eq!(names("semihosting xwithout=sve"), Ok(vec![]));
        assert_eq!(
            names("without=sve,mpam panic=reset without=mte"),
            Ok(vec!["mpam", "mte", "sve"])
        );
    }

    #[test]
    fn an_unknown_feature_is_refused_in_a_sentence() {
        for (line, says) in [
            ("without=sve,sv", "without=sve,sv, but \"sv\" is no"),
            ("without=", "without=, but \"\" is no"),
            ("without=a\x1b", "\"a?\""),
        ] {
            let sentence = Without::read(line).unwrap_err();
            assert!(sentence.contains(says), "{sentence}");
            assert!(
                sentence.contains("mpam, mte, sve, sme, fgt, hcx, pauth, scxt, pie"),
                "{sentence}"
            );
        }
    }

    /// Registers that EL3 may trap are not accessed.
    #[test]
    fn each_word_keeps_its_registers_untouched() {
        type IsAbsent = fn(&ControlRegisters) -> bool;
        let cases: [(&str, IsAbsent); 9] = [
            ("mpam", |it| it.mpam2_el2.is_none()),
            ("mte", |it| it.hcr_el2 >> 56 & 1 == 0),
            ("sve", |it| it.zcr_el2.is_none() && it.cptr_el2 >> 8 & 1 == 1),
            ("sme", |it| it.smcr_el2.is_none() && it.cptr_el2 >> 12 & 1 == 1),
            ("fgt", |it| it.fine_grained_traps.is_none() && it.fine_grained_traps2.is_none()),
            ("hcx", |it| it.hcrx_el2.is_none()),
            ("pauth", |it| it.hcr_el2 >> 40 & 0b11 == 0),
            ("scxt", |it| it.hcr_el2 >> 53 & 1 == 0),
            ("pie", |it| it.fine_grained_traps.is_some_and(|it| it.registers >> 57 == 0)),
        ];
        assert!(cases.iter().map(|it| it.0).eq(WORDS.iter().map(|it| it.0)));
        let all = IdRegisters::read(|_| 0x2222_2222_2222_2222);
        for (word, is_absent) in cases {
            let mut id = all.clone();
            let control = ControlRegisters::new(&id, Choices::default());
            assert!(!is_absent(&control), "{word}");
            Without::read(&format!("without={word}")).unwrap().remove_from(&mut id);
            let control = ControlRegisters::new(&id, Choices::default());
            assert!(is_absent(&control), "{word}");
        }
    }

    /// What depends on HCRX_EL2 is not shown to guests without it.
    #[test]
    fn nothing_that_needs_hcrx_is_left_without_it() {
        let mut id = IdRegisters::read(|_| u64::MAX);
        Without::read("without=hcx").unwrap().remove_from(&mut id);
        let with_register = IdRegisters::with(&[(HCX, 1)]);
        id.0.iter_mut().zip(with_register.0).for_each(|(id, field)| *id |= field);
        assert_eq!(ControlRegisters::new(&id, Choices::default()).hcrx_el2, Some(0));
    }
}
