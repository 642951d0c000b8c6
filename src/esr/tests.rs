//! Known syndromes, and any.

use proptest::prelude::*;

use super::*;
use crate::addr::Ipa;

/// A syndrome of this class.
fn esr(class: u64, iss: u64) -> u64 {
    class << 26 | 1 << 25 | iss
}

fn data_abort(iss: u64) -> DataAbort {
    match decode(esr(0x24, iss)) {
        Exception::DataAbort(abort) => abort,
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_carry_their_immediate() {
    assert_eq!(decode(0x5a00_0000), Exception::Hvc { immediate: 0 });
    assert_eq!(decode(0x5e00_1234), Exception::Smc { immediate: 0x1234 });
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
fn a_word_stored_where_nothing_is_mapped() {
    // str w2, [..], level 3: as QEMU reports a store to an unmapped device.
    let abort = data_abort(1 << 24 | 2 << 22 | 2 << 16 | 1 << 6 | 7);
    assert_eq!(
        abort,
        DataAbort {
            transfer: Some(Transfer {
                size: AccessSize::Word,
                register: 2,
                sign_extend: false,
                wide: false,
            }),
            write: true,
            fault: Fault::Translation { level: 3 },
            walk: false,
            cache_maintenance: false,
            far_valid: true,
        }
    );
    let address = abort.address(0xffff_8000_0900_0018, 0x0009_0000);
    assert_eq!(address, FaultAddress::Known(Ipa::new(0x0900_0018)));
}

#[test]
fn a_signed_load_into_a_wide_register() {
    let abort = data_abort(1 << 24 | 1 << 21 | 31 << 16 | 1 << 15 | 5);
    let transfer = abort.transfer.unwrap();
    assert_eq!(transfer.size, AccessSize::Byte);
    assert_eq!(transfer.register, 31);
    assert!(transfer.sign_extend && transfer.wide && !abort.write);
}

#[test]
fn the_walk_of_the_guests_tables_has_a_page_but_no_offset() {
    // Translation and permission faults.
    for status in [0x05, 0x0d] {
        let abort = data_abort(1 << 7 | status);
        assert!(abort.walk);
        assert_eq!(abort.transfer, None);
        let address = abort.address(0x1234_5678, 0x0004_0010);
        assert_eq!(address, FaultAddress::Known(Ipa::new(0x0400_1000)));
    }
}

#[test]
fn a_permission_fault_leaves_hpfar_unknown() {
    let Exception::InstructionAbort(abort) = decode(esr(0x20, 0x0f)) else {
        panic!();
    };
    assert_eq!(abort.fault, Fault::Permission { level: 3 });
    let address = abort.address(0xabcd, u64::MAX);
    assert_eq!(address, FaultAddress::Translate { virtual_address: 0xabcd });
}

#[test]
fn an_external_abort_has_no_address() {
    for fnv in [0, 1 << 10] {
        let abort = data_abort(fnv | 0x10);
        assert_eq!(abort.fault, Fault::External);
        assert_eq!(abort.far_valid, fnv == 0);
        assert_eq!(abort.address(0x1000, u64::MAX), FaultAddress::Unknown);
    }
}

#[test]
fn every_fault_status_has_a_meaning() {
    let fault = |status| data_abort(status).fault;
    assert_eq!(fault(0x00), Fault::AddressSize { level: 0 });
    assert_eq!(fault(0x09), Fault::AccessFlag { level: 1 });
    assert_eq!(fault(0x14), Fault::External);
    assert_eq!(fault(0x13), Fault::External);
    assert_eq!(fault(0x21), Fault::Alignment);
    assert_eq!(fault(0x2b), Fault::Translation { level: -1 });
    assert_eq!(fault(0x30), Fault::Other { status: 0x30 });
    assert_eq!(fault(0x11), Fault::Other { status: 0x11 });
}

#[test]
fn classes_of_aarch32_are_one() {
    for class in [0x03, 0x04, 0x05, 0x06, 0x08, 0x0c, 0x12, 0x13] {
        assert_eq!(decode(esr(class, 0)), Exception::Aarch32, "{class:#x}");
    }
    assert_eq!(decode(0), Exception::Unknown);
    assert_eq!(decode(esr(0x2f, 0)), Exception::Other { class: 0x2f });
}

proptest! {
    #[test]
    fn any_syndrome_decodes(value: u64, far: u64, hpfar: u64) {
        match decode(value) {
            Exception::DataAbort(abort) => check(abort.address(far, hpfar)),
            Exception::InstructionAbort(abort) => check(abort.address(far, hpfar)),
            Exception::Other { class } => prop_assert_eq!(class, super::class(value)),
            Exception::SystemRegister(access) => prop_assert!(access.register < 32),
            _ => {}
        }
    }

    #[test]
    fn any_abort_decodes(iss in 0_u64..1 << 25, far: u64, hpfar: u64) {
        let abort = data_abort(iss);
        check(abort.address(far, hpfar));
        prop_assert!(abort.transfer.is_none_or(|transfer| transfer.register < 32));
    }
}

/// No address is wider than the architecture's 56 bits.
fn check(address: FaultAddress) {
    if let FaultAddress::Known(ipa) = address {
        assert!(ipa.get() < 1 << 56);
    }
}
