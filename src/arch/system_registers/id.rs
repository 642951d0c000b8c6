//! What the CPU says about itself, and what of that a guest is told.

use super::Encoding;

/// A field of four bits in an ID register (Arm ARM D24.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    pub(super) register: Encoding,
    pub(super) shift: u8,
}

/// The fields that Bulkhead reads, by their names in the Arm ARM.
pub mod field {
    use super::{Encoding, Field};

    /// `register! { REGISTER(crm, op2): NAME = lowest bit, ... }`
    macro_rules! registers {
        ($($register:ident($crm:literal, $op2:literal): $($name:ident = $shift:literal),+;)*) => {
            $($(
                #[doc = concat!(stringify!($register), ", bits from ", stringify!($shift), " on.")]
                pub const $name: Field =
                    Field { register: Encoding::new(3, 0, 0, $crm, $op2), shift: $shift };
            )+)*
        };
    }

    registers! {
        ID_AA64PFR0_EL1(4, 0): RAS = 28, SVE = 32, MPAM = 40, AMU = 44, CSV2 = 56;
        ID_AA64PFR1_EL1(4, 1): SSBS = 4, MTE = 8, MPAM_FRAC = 16, SME = 24, CSV2_FRAC = 32,
            NMI = 36, GCS = 44, THE = 48;
        ID_AA64PFR2_EL1(4, 2): FPMR = 32;
        ID_AA64SMFR0_EL1(4, 5): FA64 = 60;
        ID_AA64DFR0_EL1(5, 0): DEBUG_VER = 0, TRACE_VER = 4, PMU_VER = 8, PMS_VER = 32,
            TRACE_FILT = 40;
        ID_AA64DFR1_EL1(5, 1): PMICNTR = 36;
        ID_AA64ISAR0_EL1(6, 0): TME = 24;
        ID_AA64ISAR1_EL1(6, 1): APA = 4, API = 8, LS64 = 60;
        ID_AA64ISAR2_EL1(6, 2): APA3 = 12, MOPS = 16;
        ID_AA64ISAR3_EL1(6, 3): PACM = 12;
        ID_AA64MMFR0_EL1(7, 0): PA_RANGE = 0, FGT = 56;
        ID_AA64MMFR1_EL1(7, 1): LO = 16, PAN = 20, HCX = 40;
        ID_AA64MMFR3_EL1(7, 3): TCRX = 0, SCTLRX = 4, S1PIE = 8, S1POE = 16, AIE = 24, D128 = 32;
        ID_AA64MMFR4_EL1(7, 4): SRMASK = 44;
    }
}

/// What a guest is not told of, by the CRm and op2 of the register:
///
/// - virtualization, nested or not, Secure EL2 and realms, because EL2 is Bulkhead's;
/// - errors of the machine, and what only RAS gives a meaning, which are Bulkhead's to handle;
/// - what observes or partitions what CPUs share;
/// - profiling and tracing, which write memory by physical address or see EL2;
/// - extensions of debug and the PMU that need EL2's help at every exception.
const HIDDEN: [(u8, u8, u64); 14] = [
    // ID_PFR0_EL1: AMU, RAS.
    (1, 0, 0x0000_0000_f0f0_0000),
    // ID_PFR1_EL1: Virtualization, Virt_frac.
    (1, 1, 0x0000_0000_0f00_f000),
    // ID_DFR0_EL1: CopTrc, MMapTrc, TraceFilt.
    (1, 2, 0x0000_0000_f00f_f000),
    // ID_PFR2_EL1: RAS_frac.
    (3, 4, 0x0000_0000_0000_0f00),
    // ID_DFR1_EL1: MTPMU.
    (3, 5, 0x0000_0000_0000_000f),
    // ID_AA64PFR0_EL1: EL2, RAS, SEL2, MPAM, AMU, RME.
    (4, 0, 0x00f0_fff0_f000_0f00),
    // ID_AA64PFR1_EL1: RAS_frac, MPAM_frac, DF2, PFAR.
    (4, 1, 0xff00_0000_000f_f000),
    // ID_AA64DFR0_EL1: TraceVer, PMSS, SEBEP, PMSVer, TraceFilt, TraceBuffer, MTPMU, BRBE, ExtTrcBuff.
    (5, 0, 0x0fff_ff0f_0f0f_00f0),
    // ID_AA64DFR1_EL1: SPMU, ITE, EBEP, DPFZS.
    (5, 1, 0x00ff_f00f_0000_0000),
    // ID_AA64DFR2_EL1: STEP, SPE_EXC, SPE_nVM, TRBE_EXC.
    (5, 2, 0x0000_0000_0fff_000f),
    // ID_AA64MMFR1_EL1: VH, LO.
    (7, 1, 0x0000_0000_000f_0f00),
    // ID_AA64MMFR2_EL1: IESB, NV.
    (7, 2, 0x0000_0000_0f00_f000),
    // ID_AA64MMFR3_EL1: S2POE, MEC.
    (7, 3, 0x0000_0000_f0f0_0000),
    // ID_AA64MMFR4_EL1: PoPS, HACDBS, NV_frac.
    (7, 4, 0x0000_0000_00f0_f00f),
];

/// ID registers of group 3, which HCR_EL2.TID3 traps: op0 3, op1 0, CRn 0, CRm 1 to 7. All of that
/// space can be read at EL2: what is not allocated reads as zero (Arm ARM D24.1). Here
/// they are in the order of CRm and op2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdRegisters(pub [u64; 7 * 8]);

impl IdRegisters {
    /// The register's value; `None` for what is no ID register of group 3.
    pub fn get(&self, register: Encoding) -> Option<u64> {
        self.0.get(Self::index(register)).copied()
    }

    /// The field's value. 0xf, which is -1 where a field is signed and means that the feature is
    /// not there, is 0; no other field has it.
    pub fn field(&self, field: Field) -> u64 {
        match self.get(field.register).unwrap_or(0) >> field.shift & 0xf {
            0xf => 0,
            value => value,
        }
    }

    /// What a guest on this CPU reads: the same, but for what is hidden.
    pub fn for_guest(&self) -> Self {
        let mut guest = self.clone();
        for (crm, op2, hidden) in HIDDEN {
            guest.0[Self::index(Encoding::new(3, 0, 0, crm, op2))] &= !hidden;
        }
        guest
    }

    /// Past the end for what is no ID register of group 3.
    fn index(register: Encoding) -> usize {
        const FIRST: Encoding = Encoding::new(3, 0, 0, 1, 0);
        usize::from(register.number().wrapping_sub(FIRST.number()))
    }
}
