//! Which calls return what, which go to PSCI, and which to firmware.

use proptest::prelude::*;

use super::firmware::WORKAROUNDS;
use super::*;

const FIRMWARE: Workarounds = Workarounds([0, -1, 1]);

fn returns(id: u32, argument: u64) -> i64 {
    match decode(id.into(), argument, 0, &FIRMWARE) {
        Outcome::Return(value) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn version_and_features_of_the_convention_are_reported() {
    assert_eq!(returns(0x8000_0000, 0), 0x0001_0002);
    for (id, answer) in [
        (0x8000_0000, 0),
        (0x8000_0001, 0),
        (0x8000_0002, -1),
        (0x8000_8000, 0),
        (0x8000_7fff, -1),
        (0x8000_3fff, 1),
        (0x8400_0000, -1),
        // A guest finds the TRNG by TRNG_VERSION (DEN0098): it is no Arm Architecture Call.
        (0x8400_0050, -1),
    ] {
        assert_eq!(returns(0x8000_0001, id), answer, "{id:#x}");
    }
}

#[test]
fn workarounds_reach_firmware_that_offers_them() {
    let call = |id: u32| decode(id.into(), 0, 0, &FIRMWARE);
    let firmware = |id| Outcome::Firmware(FIRMWARE.find(id).unwrap());
    assert_eq!(call(0x8000_8000), firmware(0x8000_8000));
    assert_eq!(call(0x8000_7fff), Outcome::Return(NOT_SUPPORTED));
    assert_eq!(call(0x8000_3fff), firmware(0x8000_3fff));
    assert_eq!(FIRMWARE.first().map(Workaround::id), Some(0x8000_8000));
    let none = decode(0x8000_8000, 0, 0, &Workarounds::NONE);
    assert_eq!(none, Outcome::Return(NOT_SUPPORTED));
}

#[test]
fn the_workaround_with_a_state_is_the_second() {
    assert_eq!(FIRMWARE.store_bypass(), None);
    let id = Workarounds([-1, 0, -1]).store_bypass().map(Workaround::id);
    assert_eq!(id, Some(0x8000_7fff));
}

#[test]
fn firmware_is_asked_about_each_workaround() {
    let asked = Workarounds::ask(|id| (id & 0xffff) as i32);
    assert_eq!(asked, Workarounds([0x8000, 0x7fff, 0x3fff]));
}

#[test]
fn unknown_services_are_not_supported() {
    for id in [
        0x8000_0002, // SMCCC_ARCH_SOC_ID
        0x8400_0020, // the first behind PSCI
        0x8400_004f, // the last before TRNG
        0x8400_0060, // the first behind TRNG
        0x8000_0050, // TRNG_VERSION of another service
        0x8600_ff01, // the vendor hypervisor service's UID
        0x8200_0000, // SiP
        0x8300_0000, // OEM
        0xb200_0000, // trusted OS
        0xc000_0000, // SMCCC_VERSION as an SMC64
        0x0400_0000, // PSCI_VERSION as a yielding call
        0,
    ] {
        assert_eq!(returns(id, 0), NOT_SUPPORTED, "{id:#x}");
    }
}

#[test]
fn functions_of_the_trng_go_to_the_source_of_random_numbers() {
    for id in [0x8400_0050, 0x8400_0053, 0x8400_005f, 0xc400_0053, 0xffff_ffff_c400_0053] {
        assert_eq!(decode(id, 0, 0, &FIRMWARE), Outcome::Trng, "{id:#x}");
    }
    assert_eq!(decode(0xc400_0053, 64, 1, &FIRMWARE), Outcome::Return(NOT_SUPPORTED));
}

#[test]
fn calls_with_an_immediate_are_not_supported() {
    let call = decode(0x8400_0000, 0, 1, &FIRMWARE);
    assert_eq!(call, Outcome::Return(NOT_SUPPORTED));
}

#[test]
fn the_upper_half_of_x0_is_ignored() {
    let call = decode(0xffff_ffff_8400_0003, 0, 0, &FIRMWARE);
    assert_eq!(call, Outcome::Psci(0x8400_0003));
}

proptest! {
    #[test]
    fn only_offered_workarounds_reach_firmware(x0: u64, x1: u64, immediate: u16) {
        if let Outcome::Firmware(workaround) = decode(x0, x1, immediate, &FIRMWARE) {
            let id = workaround.id();
            prop_assert_eq!(id, x0 as u32);
            prop_assert_eq!(immediate, 0);
            prop_assert!(WORKAROUNDS.contains(&id) && FIRMWARE.features(id) >= 0);
        }
    }
}

proptest! {
    #[test]
    fn each_function_belongs_to_one_service_at_most(
        function in prop_oneof![
            (0_u32..4, 0_u32..0x70).prop_map(|(top, number)| {
                [0x8000_0000, 0x8400_0000, 0xc400_0000, 0x8600_0000][top as usize] | number
            }),
            prop::sample::select(&WORKAROUNDS),
            any::<u32>(),
        ],
    ) {
        let owners = [
            PsciCalls.owns(function),
            ArchCalls(&FIRMWARE).owns(function),
            FirmwareWorkarounds(&FIRMWARE).owns(function),
            TrngCalls.owns(function),
        ];
        prop_assert!(owners.iter().filter(|owns| **owns).count() <= 1);
    }

    #[test]
    fn constants_are_what_dispatch_returns(
        x0 in prop_oneof![0x8400_0000_u64..0x8400_0020, any::<u64>()],
    ) {
        if let Some(value) = constant(x0) {
            prop_assert_eq!(decode(x0, 0, 0, &FIRMWARE), Outcome::Return(value));
        }
    }
}
