//! The ID registers that a guest sees.

use proptest::prelude::*;

use super::*;

pub(crate) mod listing;
mod table;

const ID_AA64PFR0_EL1: Encoding = Encoding::new(3, 0, 0, 4, 0);
const ID_AA64MMFR1_EL1: Encoding = Encoding::new(3, 0, 0, 7, 1);

impl IdRegisters {
    /// Returns registers with the values that `mrs` returns.
    pub(crate) fn read(mut mrs: impl FnMut(Encoding) -> u64) -> Self {
        let register = |index| Encoding::new(3, 0, 0, (index / 8 + 1) as u8, (index % 8) as u8);
        Self(core::array::from_fn(|index| mrs(register(index))))
    }

    /// Returns the registers of a CPU that has these fields and no other.
    pub(crate) fn with(fields: &[(Field, u64)]) -> Self {
        Self::read(|register| {
            let of_register = fields.iter().filter(|(field, _)| field.register == register);
            of_register.fold(0, |value, (field, bits)| value | bits << field.shift)
        })
    }
}

/// Returns registers of which every field has its highest value.
fn everything() -> IdRegisters {
    IdRegisters::read(|_| u64::MAX)
}

#[test]
fn encodings_are_those_of_instructions() {
    // msr S3_1_C15_C2_1, x0 is 0xd519f220: bits 20:5 are the encoding.
    let cpuectlr = Encoding::new(3, 1, 15, 2, 1);
    assert_eq!(cpuectlr.number(), (0xd519_f220_u32 >> 5) as u16);
}

#[test]
fn each_register_is_read_once_and_found_again() {
    let mut reads = 0;
    let id = IdRegisters::read(|register| {
        reads += 1;
        register.number().into()
    });
    assert_eq!(reads, 56);
    for crm in 0..16 {
        for op2 in 0..8 {
            let register = Encoding::new(3, 0, 0, crm, op2);
            let expected = (1..8).contains(&crm).then(|| register.number().into());
            assert_eq!(id.get(register), expected, "{register:?}");
        }
    }
    assert_eq!(id.get(Encoding::new(3, 1, 0, 4, 0)), None);
    assert_eq!(id.get(Encoding::new(2, 0, 0, 4, 0)), None);
}

#[test]
fn a_guest_on_a_cortex_a76_sees_all_but_ras_vhe_and_loregions() {
    let id = IdRegisters::read(|register| match register {
        ID_AA64PFR0_EL1 => 0x1100_0000_1011_1112,
        ID_AA64MMFR1_EL1 => 0x1021_2122,
        _ => 0,
    });
    let guest = id.for_guest();
    // EL2 as well: software that finds neither EL2 nor EL3 takes EL1 for the highest level, and writes
    // CNTFRQ_EL0, for example.
    assert_eq!(guest.get(ID_AA64PFR0_EL1), Some(0x1100_0000_0011_1112));
    assert_eq!(guest.get(ID_AA64MMFR1_EL1), Some(0x1020_2022));
}

#[test]
fn features_that_reach_past_a_vcpu_are_hidden() {
    // The nibbles of ID_AA64PFR0_EL1 that go: RME, AMU, MPAM, SEL2, RAS.
    let guest = everything().for_guest();
    assert_eq!(guest.get(ID_AA64PFR0_EL1), Some(0xff0f_000f_0fff_ffff));
    // ID_AA64PFR1_EL1: PFAR, DF2, MPAM_frac, RAS_frac.
    let pfr1 = guest.get(Encoding::new(3, 0, 0, 4, 1));
    assert_eq!(pfr1, Some(0x00ff_ffff_fff0_0fff));
    // ID_AA64DFR0_EL1: ExtTrcBuff, BRBE, MTPMU, TraceBuffer, TraceFilt, PMSVer, SEBEP, PMSS,
    // TraceVer.
    let dfr0 = guest.get(Encoding::new(3, 0, 0, 5, 0));
    assert_eq!(dfr0, Some(0xf000_00f0_f0f0_ff0f));
    // ID_AA64MMFR2_EL1: NV, IESB.
    let mmfr2 = guest.get(Encoding::new(3, 0, 0, 7, 2));
    assert_eq!(mmfr2, Some(0xffff_ffff_f0ff_0fff));
}

#[test]
fn features_private_to_a_cpu_are_shown() {
    let guest = everything().for_guest();
    // ID_AA64ZFR0, SMFR0, ISAR0, ISAR1, ISAR2, ISAR3, MMFR0.
    for (crm, op2) in [(4, 4), (4, 5), (6, 0), (6, 1), (6, 2), (6, 3), (7, 0)] {
        let register = Encoding::new(3, 0, 0, crm, op2);
        assert_eq!(guest.get(register), Some(u64::MAX), "{register:?}");
    }
}

#[test]
fn a_pmu_version_of_0xf_is_no_pmu() {
    let with_pmu =
        |version| IdRegisters::with(&[(field::PMU_VER, version)]).field(field::PMU_VER) != 0;
    assert!(with_pmu(1) && with_pmu(9));
    assert!(!with_pmu(0) && !with_pmu(0xf));
}

proptest! {
    #[test]
    fn a_syndrome_and_its_encoding_agree(op0 in 0_u8..4, op1 in 0_u8..8, crn in 0_u8..16,
                                         crm in 0_u8..16, op2 in 0_u8..8) {
        let encoding = Encoding::new(op0, op1, crn, crm, op2);
        let [op0, op1, crn, crm, op2] = [op0, op1, crn, crm, op2].map(u64::from);
        let iss = op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | crm << 1;
        prop_assert_eq!(Encoding::from_syndrome(iss), encoding);
    }

    #[test]
    fn guests_see_no_feature_that_the_cpu_lacks(values: [u64; 8]) {
        let id = IdRegisters::read(|register| values[usize::from(register.number() & 7)]);
        let guest = id.for_guest();
        for crm in 1..8 {
            for op2 in 0..8 {
                let register = Encoding::new(3, 0, 0, crm, op2);
                let (seen, real) = (guest.get(register).unwrap(), id.get(register).unwrap());
                prop_assert_eq!(seen & !real, 0);
            }
        }
    }
}
