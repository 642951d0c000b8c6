//! Which bit of which control register belongs to which feature of the CPU.

use crate::system_registers::{Field, IdRegisters, field::*};

/// The registers that have bits for features.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    Hcr,
    Hcrx,
    Cptr,
    Mdcr,
    /// Bits that HFGRTR_EL2 and HFGWTR_EL2 share.
    Hfgtr,
    Hfgitr,
    /// Bits that HFGRTR2_EL2 and HFGWTR2_EL2 share.
    Hfgtr2,
    /// Bits that HDFGRTR2_EL2 and HDFGWTR2_EL2 share.
    Hdfgtr2,
    /// Bits of HDFGWTR2_EL2 alone.
    Hdfgwtr2,
    Smcr,
}

/// From which value of the field on the register has these bits, and Bulkhead sets them.
type Feature = (Field, u64, Register, u64);

const fn bit(number: u32) -> u64 {
    1 << number
}

/// First what is hidden from the guest, and traps; then what is the guest's, and would trap.
const FEATURES: [Feature; 42] = [
    // TERR, TLOR; TAM, TTA.
    (RAS, 1, Register::Hcr, bit(36)),
    (LO, 1, Register::Hcr, bit(35)),
    (AMU, 1, Register::Cptr, bit(30)),
    (TRACE_VER, 1, Register::Cptr, bit(20)),
    // TTRF, TPMS. E2PB and E2TB stay 0: buffers of SPE and TRBE are EL2's, and accesses trap.
    (TRACE_FILT, 1, Register::Mdcr, bit(19)),
    (PMS_VER, 1, Register::Mdcr, bit(14)),
    // APK and API: pointer authentication by any of the three algorithms.
    (APA, 1, Register::Hcr, bit(40) | bit(41)),
    (API, 1, Register::Hcr, bit(40) | bit(41)),
    (APA3, 1, Register::Hcr, bit(40) | bit(41)),
    // ATA: a guest's tags belong to the memory that stage 2 gives it.
    (MTE, 2, Register::Hcr, bit(56)),
    // EnSCXT: FEAT_CSV2_2, or FEAT_CSV2_1p2.
    (CSV2, 2, Register::Hcr, bit(53)),
    (CSV2_FRAC, 2, Register::Hcr, bit(53)),
    // TME.
    (TME, 1, Register::Hcr, bit(39)),
    // EnALS, EnASR, EnAS0; nACCDATA_EL1.
    (LS64, 1, Register::Hcrx, bit(1)),
    (LS64, 2, Register::Hcrx, bit(2)),
    (LS64, 3, Register::Hcrx, bit(0)),
    (LS64, 3, Register::Hfgtr, bit(50)),
    // MSCEn. MCE2 stays 0: a guest that moves between CPUs handles the exceptions itself.
    (MOPS, 1, Register::Hcrx, bit(11)),
    // TCR2En, SCTLR2En, SRMASKEn, D128En, PACMEn, EnFPM.
    (TCRX, 1, Register::Hcrx, bit(14)),
    (SCTLRX, 1, Register::Hcrx, bit(15)),
    (SRMASK, 1, Register::Hcrx, bit(26)),
    (D128, 1, Register::Hcrx, bit(17)),
    (PACM, 1, Register::Hcrx, bit(24)),
    (FPMR, 1, Register::Hcrx, bit(23)),
    // GCSEn; nGCS_EL1 and nGCS_EL0; nGCSEPP, nGCSSTR_EL1, nGCSPUSHM_EL1.
    (GCS, 1, Register::Hcrx, bit(22)),
    (GCS, 1, Register::Hfgtr, bit(53) | bit(52)),
    (GCS, 1, Register::Hfgitr, bit(59) | bit(58) | bit(57)),
    // PTTWI; nRCWMASK_EL1; nRCWSMASK_EL1.
    (THE, 1, Register::Hcrx, bit(16)),
    (THE, 1, Register::Hfgtr, bit(56)),
    (THE, 1, Register::Hfgtr2, bit(2)),
    // nTPIDR2_EL0 and nSMPRI_EL1; FA64, EZT0.
    (SME, 1, Register::Hfgtr, bit(55) | bit(54)),
    (FA64, 8, Register::Smcr, bit(31)),
    (SME, 2, Register::Smcr, bit(30)),
    // nPIR_EL1 and nPIRE0_EL1; nPOR_EL1 and nPOR_EL0; nAMAIR2_EL1 and nMAIR2_EL1.
    (S1PIE, 1, Register::Hfgtr, bit(58) | bit(57)),
    (S1POE, 1, Register::Hfgtr, bit(60) | bit(59)),
    (AIE, 1, Register::Hfgtr, bit(63) | bit(62)),
    // The masks and aliases of CPACR_EL1, SCTLR_EL1, SCTLR2_EL1, TCR_EL1 and TCR2_EL1, but not those
    // of ACTLR_EL1.
    (SRMASK, 1, Register::Hfgtr2, 0x1ff8),
    // The PMU: nPMUACR_EL1; nPMZR_EL0; nPMICNTR_EL0 and nPMICFILTR_EL0.
    (PMU_VER, 9, Register::Hdfgtr2, bit(4)),
    (PMU_VER, 9, Register::Hdfgwtr2, bit(21)),
    (PMICNTR, 1, Register::Hdfgtr2, bit(2) | bit(3)),
    // More than 16 breakpoints (FEAT_Debugv8p9): EBWE; nMDSELR_EL1.
    (DEBUG_VER, 11, Register::Mdcr, bit(43)),
    (DEBUG_VER, 11, Register::Hdfgtr2, bit(5)),
];

/// The bits of `register` for the features that the CPU has.
pub(super) fn enabled(id: &IdRegisters, register: Register) -> u64 {
    FEATURES
        .iter()
        .filter(|&&(field, minimum, of, _)| of == register && id.field(field) >= minimum)
        .fold(0, |bits, &(.., more)| bits | more)
}
