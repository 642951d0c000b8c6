//! Control values of known CPUs, and rules for any.

use proptest::prelude::*;

use super::*;
use crate::arch::system_registers::Encoding;

mod table;

/// The registers that HCR_EL2.TID3 does not cover, of a CPU with six event counters.
const CHOICES: Choices =
    Choices { pmcr_el0: 0x4103_3000, count_hypervisor: false, direct_interrupts: false };

/// VM, SWIO, FMO, IMO, AMO (0x3b); TID3, TSC, TIDCP, TACR, TSW (bits 18 to 22); RW (bit 31).
const HCR_EL2: u64 = 0x807c_003f;

/// TDOSA and TDRA.
const MDCR_EL2: u64 = 0b11 << 10;

/// Returns the ID registers of a CPU: CRm, op2 and value of those that are not 0.
fn cpu(registers: &[(u8, u8, u64)]) -> IdRegisters {
    IdRegisters::read(|register| {
        let is = |&&(crm, op2, _): &&_| register == Encoding::new(3, 0, 0, crm, op2);
        registers.iter().find(is).map_or(0, |&(_, _, value)| value)
    })
}

/// Returns ID_AA64PFR0_EL1, ID_AA64DFR0_EL1 and ID_AA64MMFR0_EL1 of the Technical Reference Manual.
fn cortex_a53() -> IdRegisters {
    cpu(&[(4, 0, 0x0000_2222), (5, 0, 0x1030_5106), (7, 0, 0x0000_1122)])
}

/// Returns the same of this CPU's manual, with ID_AA64PFR1_EL1 and ID_AA64MMFR1_EL1.
fn neoverse_n1() -> IdRegisters {
    cpu(&[
        (4, 0, 0x1100_0000_1011_1112),
        (4, 1, 0x20),
        (5, 0, 0x0000_0001_1030_5408),
        (7, 0, 0x0010_1125),
        (7, 1, 0x1021_2122),
    ])
}

#[test]
fn a_cortex_a53() {
    assert_eq!(
        ControlRegisters::new(&cortex_a53(), CHOICES),
        ControlRegisters {
            hcr_el2: HCR_EL2,
            hcrx_el2: None,
            // RES1 of a CPU with neither SVE nor SME: nothing traps.
            cptr_el2: 0x33ff,
            // HPMN: PMUv3 without the 8.1 extension never counts at EL2 unless MDCR_EL2 says so.
            mdcr_el2: MDCR_EL2 | 6,
            cnthctl_el2: 3,
            // RES1, PS = 40 bits (2), inner shareable, write-back, SL0 = 1, T0SZ = 25.
            vtcr_el2: 0x8002_3559,
            hstr_el2: 0,
            fine_grained_traps: None,
            fine_grained_traps2: None,
            zcr_el2: None,
            smcr_el2: None,
            mpam2_el2: None,
            sctlr2_el2: None,
            tcr2_el2: None,
            gcscr_el2: None,
        }
    );
}

#[test]
fn a_neoverse_n1() {
    let control = ControlRegisters::new(&neoverse_n1(), CHOICES);
    // TLOR, TERR.
    assert_eq!(control.hcr_el2, HCR_EL2 | 1 << 35 | 1 << 36);
    // HPMD for PMUv3p1, TPMS for SPE.
    assert_eq!(control.mdcr_el2, MDCR_EL2 | 6 | 1 << 17 | 1 << 14);
    // PS = 48 bits.
    assert_eq!(control.vtcr_el2, 0x8005_3559);
    assert_eq!(control.hcrx_el2, None);
    assert_eq!(pstate_fields(&neoverse_n1()), [true, true, false, false]);
}

/// Returns whether PSTATE has PAN, SSBS, TCO, ALLINT.
fn pstate_fields(id: &IdRegisters) -> [bool; 4] {
    [(field::PAN, 1), (field::SSBS, 1), (field::MTE, 2), (field::NMI, 1)]
        .map(|(field, least)| id.field(field) >= least)
}

/// Returns the ID registers of QEMU 10.0's `-cpu max`, without `mte=on`.
fn qemu_max() -> IdRegisters {
    cpu(&[
        (4, 0, 0x1301_0011_2111_1112),
        (4, 1, 0x0000_0010_0100_0121),
        (4, 5, 0x80f1_00fd_0000_0000),
        (5, 0, 0x1000_0000_1030_560a),
        (6, 0, 0x1221_1111_1021_2120),
        (6, 1, 0x0111_2111_1021_1502),
        (6, 2, 0x0000_0000_0011_0012),
        (7, 0, 0x2100_0323_1020_1126),
        (7, 1, 0x0110_1120_1031_2122),
        (7, 2, 0x1221_0111_1201_1011),
        (7, 3, 0x1000_0000_0000_0000),
    ])
}

#[test]
fn the_max_cpu_of_qemu() {
    let control = ControlRegisters::new(&qemu_max(), CHOICES);
    // TLOR, TERR; API, APK; EnSCXT. Without tag memory MTE is 1, and ATA would be RES0.
    let features = 0b11 << 35 | 0b11 << 40 | 1 << 53;
    assert_eq!(control.hcr_el2, HCR_EL2 | features);
    // MSCEn.
    assert_eq!(control.hcrx_el2, Some(1 << 11));
    // TSM (bit 12) and TZ (bit 8) are clear.
    assert_eq!(control.cptr_el2, 0x22ff);
    // HPMN, HPMD, HCCD.
    assert_eq!(control.mdcr_el2, MDCR_EL2 | 6 | 1 << 17 | 1 << 23);
    // 52 bits of physical address are cut to 48.
    assert_eq!(control.vtcr_el2, 0x8005_3559);
    assert_eq!(control.zcr_el2, Some(0xf));
    // FA64, LEN.
    assert_eq!(control.smcr_el2, Some(0x8000_000f));
    // nTPIDR2_EL0 and nSMPRI_EL1.
    let traps = control.fine_grained_traps.unwrap();
    assert_eq!(traps.registers, 0b11 << 54);
    assert_eq!(pstate_fields(&qemu_max()), [true, true, false, true]);
}

/// No emulator has all of these.
#[test]
fn a_cpu_with_the_newest_extensions() {
    use field::*;
    let id = IdRegisters::with(&[
        (SVE, 1),
        (SME, 2),
        (FA64, 8),
        (MTE, 3),
        (NMI, 1),
        (CSV2, 2),
        (AMU, 1),
        (TRACE_VER, 1),
        (TRACE_FILT, 1),
        (API, 5),
        (MOPS, 1),
        (FGT, 1),
        (HCX, 1),
        (PMU_VER, 6),
        (PA_RANGE, 6),
        (MPAM, 1),
    ]);
    let control = ControlRegisters::new(&id, CHOICES);
    // APK, API; ATA; EnSCXT.
    let features = 0b11 << 40 | 1 << 56 | 1 << 53;
    assert_eq!(control.hcr_el2, HCR_EL2 | features);
    // MSCEn.
    assert_eq!(control.hcrx_el2, Some(1 << 11));
    // TAM and TTA trap; TSM (bit 12) and TZ (bit 8) do not.
    assert_eq!(control.cptr_el2, 0x22ff | 1 << 30 | 1 << 20);
    // HPMN, HPMD, TTRF, HCCD.
    assert_eq!(control.mdcr_el2, MDCR_EL2 | 6 | 1 << 17 | 1 << 19 | 1 << 23);
    // 52 bits of physical address are cut to 48.
    assert_eq!(control.vtcr_el2, 0x8005_3559);
    assert_eq!(control.zcr_el2, Some(0xf));
    // FA64, EZT0, LEN.
    assert_eq!(control.smcr_el2, Some(0xc000_000f));
    assert_eq!(control.mpam2_el2, Some(0b11 << 48));
    let traps = control.fine_grained_traps.unwrap();
    // nTPIDR2_EL0 and nSMPRI_EL1.
    assert_eq!(traps.registers, 0b11 << 54);
    assert_eq!(traps.instructions, 0);
    assert_eq!(control.fine_grained_traps2, None);
}

#[test]
fn extensions_that_firmware_may_have_enabled_at_el2_are_off() {
    let registers = |fields| {
        let control = ControlRegisters::new(&IdRegisters::with(fields), CHOICES);
        [control.sctlr2_el2, control.tcr2_el2, control.gcscr_el2]
    };
    assert_eq!(registers(&[(field::SCTLRX, 1)]), [Some(0), None, None]);
    assert_eq!(registers(&[(field::TCRX, 1)]), [None, Some(0), None]);
    assert_eq!(registers(&[(field::GCS, 1)]), [None, None, Some(0)]);
}

#[test]
fn choices_of_the_partition() {
    let choices = Choices { count_hypervisor: true, ..CHOICES };
    let control = ControlRegisters::new(&neoverse_n1(), choices);
    assert_eq!(control.mdcr_el2 & (1 << 17), 0, "HPMD");
}

proptest! {
    #[test]
    fn isolation_holds_on_any_cpu(values: [u64; 16], pmcr_el0: u64, count_hypervisor: bool) {
        let id = IdRegisters::read(|register| {
            values[usize::from(register.number()) % values.len()]
        });
        let choices = Choices { pmcr_el0, count_hypervisor, direct_interrupts: false };
        let control = ControlRegisters::new(&id, choices);
        prop_assert_eq!(control.hcr_el2 & HCR_EL2, HCR_EL2);
        // E2H, TGE, and nested virtualization (NV, NV1, AT, NV2) are off.
        prop_assert_eq!(control.hcr_el2 & (1 << 34 | 1 << 27 | 0b1111 << 42), 0);
        // SPE's and TRBE's buffers belong to EL2.
        prop_assert_eq!(control.mdcr_el2 & (0b11 << 12 | 0b11 << 24), 0);
        // The OS Lock and the debug registers' address trap; breakpoints do not (TDA, TDE).
        prop_assert_eq!(control.mdcr_el2 & (0b1111 << 8), MDCR_EL2);
        prop_assert!((control.vtcr_el2 >> 16 & 7) <= 5);
    }
}

#[test]
fn direct_interrupts_leave_group_1_to_the_guest() {
    const IMO_AND_FMO: u64 = 0b11 << 3;
    let hcr = |direct_interrupts| {
        let choices = Choices { direct_interrupts, ..CHOICES };
        ControlRegisters::new(&cortex_a53(), choices).hcr_el2 & IMO_AND_FMO
    };
    assert_eq!([hcr(false), hcr(true)], [IMO_AND_FMO, 1 << 3]);
}
