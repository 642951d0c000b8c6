//! What the CPU says about itself, and what of that a guest is told.

use super::Encoding;

/// A field of four bits in an ID register (Arm ARM D24.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    register: Encoding,
    shift: u32,
}

/// The fields that Bulkhead reads or hides, by their names in the Arm ARM.
pub mod field {
    use super::{Encoding, Field};

    /// `register! { REGISTER(crm, op2): NAME = lowest bit, ... }`
    macro_rules! registers {
        ($($register:ident($crm:literal, $op2:literal): $($name:ident = $shift:literal),+;)*) => {
            $($(
                #[doc = concat!(stringify!($register), ", bits from ", stringify!($shift), " on.")]
                pub const $name: Field = Field {
                    register: Encoding::new(3, 0, 0, $crm, $op2),
                    shift: $shift,
                };
            )+)*
        };
    }

    registers! {
        ID_PFR0_EL1(1, 0): AARCH32_AMU = 20, AARCH32_RAS = 28;
        ID_PFR1_EL1(1, 1): AARCH32_VIRTUALIZATION = 12, AARCH32_VIRT_FRAC = 24;
        ID_DFR0_EL1(1, 2): AARCH32_COP_TRC = 12, AARCH32_MMAP_TRC = 16, AARCH32_TRACE_FILT = 28;
        ID_PFR2_EL1(3, 4): AARCH32_RAS_FRAC = 8;
        ID_DFR1_EL1(3, 5): AARCH32_MTPMU = 0;
        ID_AA64PFR0_EL1(4, 0): EL2 = 8, RAS = 28, SVE = 32, SEL2 = 36, MPAM = 40, AMU = 44,
            RME = 52, CSV2 = 56;
        ID_AA64PFR1_EL1(4, 1): SSBS = 4, MTE = 8, RAS_FRAC = 12, MPAM_FRAC = 16, SME = 24,
            CSV2_FRAC = 32, NMI = 36, GCS = 44, THE = 48, DF2 = 56, PFAR = 60;
        ID_AA64PFR2_EL1(4, 2): FPMR = 32;
        ID_AA64SMFR0_EL1(4, 5): FA64 = 60;
        ID_AA64DFR0_EL1(5, 0): DEBUG_VER = 0, TRACE_VER = 4, PMU_VER = 8, PMSS = 16, SEBEP = 24,
            PMS_VER = 32, TRACE_FILT = 40, TRACE_BUFFER = 44, MTPMU = 48, BRBE = 52,
            EXT_TRC_BUFF = 56;
        ID_AA64DFR1_EL1(5, 1): SPMU = 32, PMICNTR = 36, ITE = 44, EBEP = 48, DPFZS = 52;
        ID_AA64DFR2_EL1(5, 2): STEP = 0, SPE_EXC = 16, SPE_NVM = 20, TRBE_EXC = 24;
        ID_AA64ISAR0_EL1(6, 0): TME = 24;
        ID_AA64ISAR1_EL1(6, 1): APA = 4, API = 8, LS64 = 60;
        ID_AA64ISAR2_EL1(6, 2): APA3 = 12, MOPS = 16;
        ID_AA64ISAR3_EL1(6, 3): PACM = 12;
        ID_AA64MMFR0_EL1(7, 0): PA_RANGE = 0, FGT = 56;
        ID_AA64MMFR1_EL1(7, 1): VH = 8, LO = 16, PAN = 20, HCX = 40;
        ID_AA64MMFR2_EL1(7, 2): IESB = 12, NV = 24;
        ID_AA64MMFR3_EL1(7, 3): TCRX = 0, SCTLRX = 4, S1PIE = 8, S1POE = 16, S2POE = 20, AIE = 24,
            MEC = 28, D128 = 32;
        ID_AA64MMFR4_EL1(7, 4): POPS = 0, HACDBS = 12, NV_FRAC = 20, SRMASK = 44;
    }
}

/// What a guest is not told of, because it reaches past the vCPU or is EL2's own.
const HIDDEN: [Field; 41] = {
    use field::*;
    [
        // EL2 is Bulkhead's: virtualization, nested or not, Secure EL2, realms.
        EL2,
        SEL2,
        RME,
        VH,
        NV,
        NV_FRAC,
        HACDBS,
        S2POE,
        MEC,
        AARCH32_VIRTUALIZATION,
        AARCH32_VIRT_FRAC,
        // Errors of the machine are Bulkhead's to handle: RAS, and what only RAS gives a meaning.
        RAS,
        RAS_FRAC,
        DF2,
        PFAR,
        IESB,
        AARCH32_RAS,
        AARCH32_RAS_FRAC,
        // These observe or partition what CPUs share.
        AMU,
        AARCH32_AMU,
        MPAM,
        MPAM_FRAC,
        LO,
        POPS,
        SPMU,
        MTPMU,
        AARCH32_MTPMU,
        // Profiling and tracing, which write memory by physical address or see EL2.
        PMS_VER,
        SPE_EXC,
        SPE_NVM,
        DPFZS,
        TRACE_BUFFER,
        EXT_TRC_BUFF,
        TRBE_EXC,
        BRBE,
        TRACE_VER,
        TRACE_FILT,
        ITE,
        AARCH32_COP_TRC,
        AARCH32_MMAP_TRC,
        AARCH32_TRACE_FILT,
    ]
};

/// PMU and debug extensions that need EL2's help at every exception.
const UNSUPPORTED: [Field; 4] = [field::EBEP, field::SEBEP, field::PMSS, field::STEP];

/// ID registers of group 3, which HCR_EL2.TID3 traps: op0 3, op1 0, CRn 0, CRm 1 to 7. All of that
/// space can be read at EL2: what is not allocated reads as zero (Arm ARM D24.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdRegisters([u64; Self::COUNT]);

impl IdRegisters {
    const COUNT: usize = 7 * 8;
    const FIRST: Encoding = Encoding::new(3, 0, 0, 1, 0);

    /// The registers of this CPU, in the order of CRm and op2. `mrs` reads the one it is given.
    pub fn read(mut mrs: impl FnMut(Encoding) -> u64) -> Self {
        let mut values = [0; Self::COUNT];
        for (index, value) in values.iter_mut().enumerate() {
            *value = mrs(Encoding::new(3, 0, 0, (index / 8 + 1) as u8, (index % 8) as u8));
        }
        Self(values)
    }

    /// The register's value; `None` for what is no ID register of group 3.
    #[must_use]
    pub fn get(&self, register: Encoding) -> Option<u64> {
        self.0.get(Self::index(register)).copied()
    }

    /// The field's value. 0xf, which is -1 where a field is signed and means that the feature is
    /// not there, is 0; no other field has it.
    #[must_use]
    pub fn field(&self, field: Field) -> u64 {
        match self.get(field.register).unwrap_or(0) >> field.shift & 0xf {
            0xf => 0,
            value => value,
        }
    }

    /// Whether the CPU has a PMU of PMUv3, so that PMCR_EL0 exists.
    #[must_use]
    pub fn has_pmu(&self) -> bool {
        self.field(field::PMU_VER) != 0
    }

    /// What a guest on this CPU reads: the same, but for what is hidden.
    #[must_use]
    pub fn for_guest(&self) -> Self {
        let mut guest = self.clone();
        for field in HIDDEN.iter().chain(&UNSUPPORTED) {
            if let Some(value) = guest.0.get_mut(Self::index(field.register)) {
                *value &= !(0xf << field.shift);
            }
        }
        guest
    }

    /// A CPU that has these features and no other.
    #[cfg(test)]
    pub(crate) fn with(fields: &[(Field, u64)]) -> Self {
        Self::read(|register| {
            let of_register = fields.iter().filter(|(field, _)| field.register == register);
            of_register.fold(0, |value, (field, bits)| value | bits << field.shift)
        })
    }

    /// Past the end for what is no ID register of group 3.
    fn index(register: Encoding) -> usize {
        usize::from(register.number().wrapping_sub(Self::FIRST.number()))
    }
}
