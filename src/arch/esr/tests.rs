//! Known syndromes, and arbitrary ones.

use proptest::prelude::*;

use super::*;

/// Builds a syndrome of this class.
fn esr(class: u64, iss: u64) -> u64 {
    class << 26 | 1 << 25 | iss
}

fn data_abort(iss: u64) -> Abort {
    match decode(esr(0x24, iss)) {
        Exception::DataAbort(abort) => abort,
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_have_their_immediate() {
    assert_eq!(decode(0x5a00_0000), Exception::Hvc(0));
    assert_eq!(decode(0x5e00_1234), Exception::Smc(0x1234));
}

#[test]
fn a_read_of_an_id_register() {
    // mrs x3, ID_AA64PFR0_EL1
    let iss = 3 << 20 | 4 << 1 | 3 << 5 | 1;
    assert_eq!(
        decode(esr(0x18, iss)),
        Exception::SystemRegister(SystemRegisterAccess {
            encoding: Encoding::new(3, 0, 0, 4, 0),
            register: 3,
            write: false,
        })
    );
}

#[test]
fn a_write_that_sends_an_sgi() {
    // msr ICC_SGI1R_EL1, xzr
    let iss = 3 << 20 | 5 << 17 | 12 << 10 | 31 << 5 | 11 << 1;
    assert_eq!(
        decode(esr(0x18, iss)),
        Exception::SystemRegister(SystemRegisterAccess {
            encoding: Encoding::new(3, 0, 12, 11, 5),
            register: 31,
            write: true,
        })
    );
}

#[test]
fn a_store_of_a_word_at_an_unmapped_address() {
    // STR W2 with a translation fault at level 3, as QEMU reports it.
    let abort = data_abort(1 << 24 | 2 << 22 | 2 << 16 | 1 << 6 | 7);
    assert!(abort.is_data() && abort.is_write() && !abort.is_walk());
    let ipa = abort.ipa(0xffff_8000_0900_0018, 0x0009_0000);
    assert_eq!(ipa, Some(Ipa::new(0x0900_0018)));
}

#[test]
fn aborts_of_walks_have_a_page_and_no_offset() {
    // Translation and permission faults.
    for status in [0x05, 0x0d] {
        let abort = data_abort(1 << 7 | status);
        assert!(abort.is_walk());
        let ipa = abort.ipa(0x1234_5678, 0x0004_0010);
        assert_eq!(ipa, Some(Ipa::new(0x0400_1000)));
    }
}

#[test]
fn permission_faults_have_no_address() {
    let Exception::InstructionAbort(abort) = decode(esr(0x20, 0x0f)) else {
        panic!();
    };
    assert!(!abort.is_data());
    assert_eq!(abort.ipa(0xabcd, u64::MAX), None);
}

#[test]
fn denied_writes_are_permission_faults_of_data() {
    for status in 0..0x40 {
        let is_permission = (0x0c..0x10).contains(&status);
        assert_eq!(
            data_abort(Abort::WRITE | status).is_denied_write(),
            is_permission,
            "{status:#x}"
        );
        assert!(!data_abort(status).is_denied_write());
        assert!(!Abort::new(esr(0x20, Abort::WRITE | status)).is_denied_write());
    }
}

#[test]
fn external_aborts_have_no_address() {
    for other in [0, Abort::FAR_NOT_VALID, Abort::WALK] {
        assert_eq!(data_abort(other | 0x10).ipa(0x1000, u64::MAX), None);
    }
}

#[test]
fn address_size_translation_and_access_flag_faults_have_an_address() {
    for status in 0..0x40 {
        let is_known = status < 0x0c || (0x29..0x2d).contains(&status);
        assert_eq!(data_abort(status).ipa(0, 0).is_some(), is_known, "{status:#x}");
    }
}

#[test]
fn features_that_guests_do_not_have_are_undefined() {
    // Of AArch32.
    for class in [0x03, 0x04, 0x05, 0x06, 0x08, 0x0c, 0x12, 0x13] {
        assert_eq!(decode(esr(class, 0)), Exception::Undefined, "{class:#x}");
    }
    // FP, pointer authentication, PSTATE.IL, 128-bit registers, SVE, ERET, SME.
    for class in [0x07, 0x09, 0x0e, 0x14, 0x19, 0x1a, 0x1d] {
        assert_eq!(decode(esr(class, 0)), Exception::Undefined, "{class:#x}");
    }
    assert_eq!(decode(0), Exception::Undefined);
    assert_eq!(decode(esr(0x01, 0)), Exception::Wfx);
    assert_eq!(decode(esr(0x2f, 0)), Exception::Other(0x2f));
}

proptest! {
    #[test]
    fn any_syndrome_decodes(value: u64, far: u64, hpfar: u64) {
        match decode(value) {
            Exception::DataAbort(abort) => check(abort.ipa(far, hpfar)),
            Exception::InstructionAbort(abort) => check(abort.ipa(far, hpfar)),
            Exception::Other(class) => prop_assert_eq!(u64::from(class), value >> 26 & 0x3f),
            Exception::SystemRegister(access) => prop_assert!(access.register < 32),
            _ => {}
        }
    }

    #[test]
    fn writes_of_a_register_are_recognised(
        class in prop_oneof![4 => Just(0x18), 1 => 0_u64..64],
        iss in 0_u64..1 << 22,
        fixed: bool,
    ) {
        let sgi = Encoding::new(3, 0, 12, 11, 5);
        let iss = if fixed { iss & 0x3e1 | sgi.to_syndrome() } else { iss };
        let esr = class << 26 | 1 << 25 | iss;
        let access = SystemRegisterAccess::new(esr);
        let expected = class == 0x18 && access.write && access.encoding == sgi;
        prop_assert_eq!(SystemRegisterAccess::is_write_of(esr, sgi), expected);
    }

    #[test]
    fn any_abort_decodes(iss in 0_u64..1 << 25, far: u64, hpfar: u64) {
        let abort = data_abort(iss);
        check(abort.ipa(far, hpfar));
    }
}

/// Checks that an address has at most the architecture's 56 bits.
fn check(ipa: Option<Ipa>) {
    assert!(ipa.is_none_or(|ipa| ipa.get() < 1 << 56));
}
