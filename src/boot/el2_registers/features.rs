//! Which bit of which control register belongs to which feature of the CPU: either to one that is
//! hidden from the guest, and traps, or to one that is the guest's, and would trap.

use crate::arch::system_registers::field::*;
use crate::arch::system_registers::{Field, IdRegisters};

/// From which value of the field on the register has these bits, and Bulkhead sets them.
type Feature = (Field, u64, u64);

/// HCR_EL2.
pub(super) const HCR: &[Feature] = &[
    // TERR, TLOR: they trap.
    (RAS, 1, 1 << 36),
    (LO, 1, 1 << 35),
    // APK and API: pointer authentication by any of the three algorithms.
    (APA, 1, 1 << 40 | 1 << 41),
    (API, 1, 1 << 40 | 1 << 41),
    (APA3, 1, 1 << 40 | 1 << 41),
    // ATA: a guest's tags belong to the memory that stage 2 gives it.
    (MTE, 2, 1 << 56),
    // EnSCXT: FEAT_CSV2_2, or FEAT_CSV2_1p2.
    (CSV2, 2, 1 << 53),
    (CSV2_FRAC, 2, 1 << 53),
    // TME.
    (TME, 1, 1 << 39),
];

/// HCRX_EL2.
pub(super) const HCRX: &[Feature] = &[
    // EnALS, EnASR, EnAS0.
    (LS64, 1, 1 << 1),
    (LS64, 2, 1 << 2),
    (LS64, 3, 1 << 0),
    // MSCEn. MCE2 stays 0: a guest that moves between CPUs handles the exceptions itself.
    (MOPS, 1, 1 << 11),
    // TCR2En, SCTLR2En, PTTWI, D128En, GCSEn, EnFPM, PACMEn, SRMASKEn.
    (TCRX, 1, 1 << 14),
    (SCTLRX, 1, 1 << 15),
    (THE, 1, 1 << 16),
    (D128, 1, 1 << 17),
    (GCS, 1, 1 << 22),
    (FPMR, 1, 1 << 23),
    (PACM, 1, 1 << 24),
    (SRMASK, 1, 1 << 26),
];

/// CPTR_EL2: TAM, TTA, which trap.
pub(super) const CPTR: &[Feature] = &[(AMU, 1, 1 << 30), (TRACE_VER, 1, 1 << 20)];

/// MDCR_EL2: TTRF and TPMS, which trap; EBWE, for more than 16 breakpoints (FEAT_Debugv8p9). E2PB and
/// E2TB stay 0: buffers of SPE and TRBE are EL2's, and accesses trap.
pub(super) const MDCR: &[Feature] =
    &[(TRACE_FILT, 1, 1 << 19), (PMS_VER, 1, 1 << 14), (DEBUG_VER, 11, 1 << 43)];

/// HFGRTR_EL2 and HFGWTR_EL2.
pub(super) const HFGTR: &[Feature] = &[
    // nACCDATA_EL1.
    (LS64, 3, 1 << 50),
    // nGCS_EL1 and nGCS_EL0; nTPIDR2_EL0 and nSMPRI_EL1; nRCWMASK_EL1.
    (GCS, 1, 1 << 53 | 1 << 52),
    (SME, 1, 1 << 55 | 1 << 54),
    (THE, 1, 1 << 56),
    // nPIR_EL1 and nPIRE0_EL1; nPOR_EL1 and nPOR_EL0; nAMAIR2_EL1 and nMAIR2_EL1.
    (S1PIE, 1, 1 << 58 | 1 << 57),
    (S1POE, 1, 1 << 60 | 1 << 59),
    (AIE, 1, 1 << 63 | 1 << 62),
];

/// HFGITR_EL2: nGCSEPP, nGCSSTR_EL1, nGCSPUSHM_EL1.
pub(super) const HFGITR: &[Feature] = &[(GCS, 1, 1 << 59 | 1 << 58 | 1 << 57)];

/// HFGRTR2_EL2 and HFGWTR2_EL2: nRCWSMASK_EL1; the masks and aliases of CPACR_EL1, SCTLR_EL1,
/// SCTLR2_EL1, TCR_EL1 and TCR2_EL1, but not those of ACTLR_EL1.
pub(super) const HFGTR2: &[Feature] = &[(THE, 1, 1 << 2), (SRMASK, 1, 0x1ff8)];

/// HDFGRTR2_EL2, and HDFGWTR2_EL2 has them too: nPMUACR_EL1; nPMICNTR_EL0 and nPMICFILTR_EL0;
/// nMDSELR_EL1.
pub(super) const HDFGRTR2: &[Feature] =
    &[(PMU_VER, 9, 1 << 4), (PMICNTR, 1, 1 << 2 | 1 << 3), (DEBUG_VER, 11, 1 << 5)];

/// HDFGWTR2_EL2 alone: nPMZR_EL0.
pub(super) const HDFGWTR2: &[Feature] = &[(PMU_VER, 9, 1 << 21)];

/// SMCR_EL2: FA64, EZT0.
pub(super) const SMCR: &[Feature] = &[(FA64, 8, 1 << 31), (SME, 2, 1 << 30)];

/// The bits for the features that the CPU has.
pub(super) fn enabled(id: &IdRegisters, features: &[Feature]) -> u64 {
    let present = features.iter().filter(|(field, minimum, _)| id.field(*field) >= *minimum);
    present.fold(0, |bits, (.., more)| bits | more)
}
