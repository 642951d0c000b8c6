//! Every call's way.

use proptest::prelude::*;

use super::*;

const FIRMWARE: Workarounds = Workarounds([0, -1, 1]);

fn returns(id: u32, argument: u64) -> i64 {
    match decode(id.into(), argument, 0, &FIRMWARE) {
        Call::Return(value) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_convention_tells_its_version_and_features() {
    assert_eq!(returns(0x8000_0000, 0), 0x0001_0002);
    for (id, answer) in [
        (0x8000_0000, 0),
        (0x8000_0001, 0),
        (0x8000_0002, -1),
        (0x8000_8000, 0),
        (0x8000_7fff, -1),
        (0x8000_3fff, 1),
        (0x8400_0000, -1),
    ] {
        assert_eq!(returns(0x8000_0001, id), answer, "{id:#x}");
    }
}

#[test]
fn workarounds_reach_firmware_where_it_has_them() {
    let call = |id: u32| decode(id.into(), 0, 0, &FIRMWARE);
    assert_eq!(call(0x8000_8000), Call::Firmware(Workaround(0x8000_8000)));
    assert_eq!(call(0x8000_7fff), Call::Return(NOT_SUPPORTED));
    assert_eq!(call(0x8000_3fff), Call::Firmware(Workaround(0x8000_3fff)));
    let none = decode(0x8000_8000, 0, 0, &Workarounds::NONE);
    assert_eq!(none, Call::Return(NOT_SUPPORTED));
}

#[test]
fn firmware_is_asked_about_each_workaround() {
    let asked = Workarounds::ask(|id| (id & 0xffff) as i32);
    assert_eq!(asked, Workarounds([0x8000, 0x7fff, 0x3fff]));
}

#[test]
fn unknown_services_are_not_supported() {
    // SOC_ID, vendor hypervisor UID, SiP, OEM, trusted OS, an SMC64 of the architecture service.
    for id in [0x8000_0002, 0x8600_ff01, 0x8200_0000, 0x8300_0000, 0xb200_0000, 0xc000_0000, 0] {
        assert_eq!(returns(id, 0), NOT_SUPPORTED, "{id:#x}");
    }
}

#[test]
fn only_immediate_zero_is_a_call() {
    let call = decode(0x8400_0000, 0, 1, &FIRMWARE);
    assert_eq!(call, Call::Return(NOT_SUPPORTED));
}

#[test]
fn the_upper_half_of_x0_is_no_part_of_the_identifier() {
    let call = decode(0xffff_ffff_8400_0003, 0, 0, &FIRMWARE);
    assert_eq!(call, Call::Psci(0x8400_0003));
}

proptest! {
    #[test]
    fn nothing_else_reaches_firmware(x0: u64, x1: u64, immediate: u16) {
        if let Call::Firmware(Workaround(id)) = decode(x0, x1, immediate, &FIRMWARE) {
            prop_assert_eq!(id, x0 as u32);
            prop_assert_eq!(immediate, 0);
            prop_assert!(WORKAROUNDS.contains(&id) && FIRMWARE.answer(id) >= 0);
        }
    }
}
