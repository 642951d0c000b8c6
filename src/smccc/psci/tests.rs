//! Each PSCI function, and any sequence of calls.

use std::vec::Vec;

use proptest::prelude::*;

use super::functions::{FEATURES, VERSION};
use super::*;
use crate::smccc::{Outcome, Workarounds, decode};

const ENTRY: u64 = 0x4008_0000;

fn ram() -> Region<Ipa> {
    Region::new(Ipa::new(0x4000_0000), 0x1000_0000).unwrap()
}

/// A partition whose vCPU 0 is on.
fn booted(vcpus: usize) -> Psci {
    let mut psci = Psci::new(vcpus, ram());
    psci.started(0);
    psci
}

/// Makes a call of vCPU 0's as EL2 does.
fn call(psci: &mut Psci, function: u32, arguments: [u64; 3]) -> PsciOutcome {
    match decode(function.into(), arguments[0], 0, &Workarounds::NONE) {
        Outcome::Return(value) => PsciOutcome::Return(value),
        Outcome::Psci(function) => psci.call(0, function, arguments),
        Outcome::Firmware(_) => unreachable!("it offers nothing"),
        Outcome::Trng => PsciOutcome::Return(NOT_SUPPORTED),
    }
}

#[test]
fn constants_and_absent_functions() {
    let psci = &mut booted(1);
    assert_eq!(call(psci, 0x8400_0000, [0; 3]), PsciOutcome::Return(0x0001_0001));
    assert_eq!(call(psci, 0x8400_0006, [0; 3]), PsciOutcome::Return(2));
    for absent in [0xc400_0000, 0xc400_0002, 0xc400_0008, 0x8400_0005, 0x8400_0007] {
        assert_eq!(call(psci, absent, [0; 3]), PsciOutcome::Return(-1), "{absent:#x}");
    }
}

#[test]
fn features_reports_exactly_the_implemented_functions() {
    let psci = &mut booted(1);
    let has =
        |id: u32| call(&mut psci.clone(), FEATURES, [id.into(), 0, 0]) == PsciOutcome::Return(0);
    let mut offered: Vec<u32> =
        (0..0x100).flat_map(|n| [0x8400_0000 + n, 0xc400_0000 + n]).filter(|&id| has(id)).collect();
    offered.sort_unstable();
    assert_eq!(
        offered,
        [
            0x8400_0000,
            0x8400_0001,
            0x8400_0002,
            0x8400_0003,
            0x8400_0004,
            0x8400_0006,
            0x8400_0008,
            0x8400_0009,
            0x8400_000a,
            0x8400_0012,
            0xc400_0001,
            0xc400_0003,
            0xc400_0004,
            0xc400_0012,
        ]
    );
    assert!(has(0x8000_0000), "SMCCC_VERSION is discovered through PSCI_FEATURES");
    assert!(!has(0x8000_0001));
    assert!(!has(3));
}

#[test]
fn a_vcpu_is_turned_on_and_off() {
    let psci = &mut booted(18);
    let info = |psci: &mut Psci| call(psci, AFFINITY_INFO, [0x101, 0, 0]);
    assert_eq!(info(psci), PsciOutcome::Return(1));
    let on = [0x101, ENTRY, 0x1234_5678_9abc];
    assert_eq!(
        call(psci, CPU_ON | SMC64, on),
        PsciOutcome::StartCpu { vcpu: 17, entry: Ipa::new(ENTRY), context: 0x1234_5678_9abc }
    );
    assert_eq!(info(psci), PsciOutcome::Return(2));
    assert_eq!(call(psci, CPU_ON, on), PsciOutcome::Return(ON_PENDING));
    psci.started(17);
    assert_eq!(info(psci), PsciOutcome::Return(0));
    assert_eq!(call(psci, CPU_ON, on), PsciOutcome::Return(ALREADY_ON));
    assert_eq!(psci.call(17, CPU_OFF, [0; 3]), PsciOutcome::CpuOff);
    assert_eq!(info(psci), PsciOutcome::Return(1));
    assert_eq!(psci.call(0, CPU_OFF, [0; 3]), PsciOutcome::CpuOff);
    assert_eq!(psci.power, [PowerState::Off; 18]);
}

#[test]
fn invalid_targets_and_entries_are_refused() {
    let psci = &mut booted(2);
    for mpidr in [2, 0x100, 0x8000_0001, 0x4000_0001, 0x1_0000_0001, 1 << 63] {
        for id in [CPU_ON | SMC64, AFFINITY_INFO | SMC64] {
            let outcome = call(psci, id, [mpidr, 0, 0]);
            assert_eq!(outcome, PsciOutcome::Return(INVALID_PARAMETERS), "{mpidr:#x}");
        }
    }
    for entry in [0, 0x5000_0000, ENTRY + 2, u64::MAX - 3] {
        let outcome = call(psci, CPU_ON | SMC64, [1, entry, 0]);
        assert_eq!(outcome, PsciOutcome::Return(INVALID_ADDRESS), "{entry:#x}");
    }
    let level_1 = call(psci, AFFINITY_INFO, [1, 1, 0]);
    assert_eq!(level_1, PsciOutcome::Return(INVALID_PARAMETERS));
}

#[test]
fn smc32_arguments_have_no_upper_halves() {
    let psci = &mut booted(2);
    let upper = 0xdead_beef << 32;
    assert_eq!(
        call(psci, CPU_ON, [upper | 1, upper | ENTRY, upper | 7]),
        PsciOutcome::StartCpu { vcpu: 1, entry: Ipa::new(ENTRY), context: 7 }
    );
}

#[test]
fn standby_is_the_only_suspend_and_warm_reset_the_only_reset2() {
    let psci = &mut booted(1);
    for wide in [0, SMC64] {
        let suspend = CPU_SUSPEND | wide;
        assert_eq!(call(psci, suspend, [0, ENTRY, 0]), PsciOutcome::Standby);
        for state in [1, 1 << 16, 1 << 24, 1 << 30] {
            let outcome = call(psci, suspend, [state, ENTRY, 0]);
            assert_eq!(outcome, PsciOutcome::Return(INVALID_PARAMETERS), "{state:#x}");
        }
        let reset = SYSTEM_RESET2 | wide;
        assert_eq!(call(psci, reset, [0, 0, 0]), PsciOutcome::SystemReset);
        for kind in [1, 0x8000_0000] {
            let outcome = call(psci, reset, [kind, 0, 0]);
            assert_eq!(outcome, PsciOutcome::Return(INVALID_PARAMETERS), "{kind:#x}");
        }
    }
    assert_eq!(call(psci, 0x8400_0008, [0; 3]), PsciOutcome::SystemOff);
    assert_eq!(call(psci, 0x8400_0009, [0; 3]), PsciOutcome::SystemReset);
}

/// A step of a sequence: a call by a vCPU that is on, or the start of a pending one.
#[derive(Clone, Debug)]
enum Step {
    Call { caller: usize, id: u32, arguments: [u64; 3] },
    Begin(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = prop_oneof![
        4 => (0_u32..0x20, any::<bool>())
            .prop_map(|(n, wide)| VERSION | n | if wide { SMC64 } else { 0 }),
        1 => any::<u32>(),
    ];
    let mpidr = prop_oneof![8 => 0_u64..6, 1 => any::<u64>()];
    let entry = prop_oneof![4 => Just(ENTRY), 1 => any::<u64>()];
    let call = (0_usize..6, id, mpidr, entry, 0_u64..2).prop_map(|(caller, id, a, b, level)| {
        let is_info = id & !SMC64 == AFFINITY_INFO;
        let arguments = [a, if is_info { level } else { b }, 0];
        Step::Call { caller, id, arguments }
    });
    let begin = (0_usize..6).prop_map(Step::Begin);
    prop::collection::vec(prop_oneof![3 => call, 1 => begin], 0..200)
}

proptest! {
    #[test]
    fn every_sequence_follows_the_state_machine(steps in steps()) {
        let psci = &mut booted(4);
        for step in steps {
            let before: Vec<_> = psci.power.clone();
            match step {
                Step::Begin(vcpu) if psci.power.get(vcpu) == Some(&PowerState::OnPending) => {
                    psci.started(vcpu);
                    prop_assert_eq!(psci.power[vcpu], PowerState::On);
                }
                Step::Call { caller, id, arguments }
                    if psci.power.get(caller) == Some(&PowerState::On) =>
                {
                    let outcome = psci.call(caller, id, arguments);
                    let mut expected = before.clone();
                    match outcome {
                        PsciOutcome::StartCpu { vcpu, entry, .. } => {
                            prop_assert_eq!(before[vcpu], PowerState::Off);
                            prop_assert!(ram().contains(entry));
                            expected[vcpu] = PowerState::OnPending;
                        }
                        PsciOutcome::CpuOff => expected[caller] = PowerState::Off,
                        PsciOutcome::Return(value) => prop_assert!((-9..=0x10001).contains(&value)),
                        PsciOutcome::Standby
                        | PsciOutcome::SystemOff
                        | PsciOutcome::SystemReset => {}
                    }
                    prop_assert_eq!(&psci.power, &expected);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn no_call_panics(vcpus in 0_usize..3, caller: usize, id: u32, arguments: [u64; 3]) {
        Psci::new(vcpus, ram()).call(caller, id, arguments);
    }
}
