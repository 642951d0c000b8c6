//! Fuzzes the decoder of syndromes and of accesses to emulated devices with values of ESR_EL2,
//! FAR_EL2, HPFAR_EL2 and the access's register.

#![no_main]

use bulkhead::arch::esr::{self, Exception};
use bulkhead::trap::mmio::MmioAccess;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|words: [u64; 4]| {
    let [esr, far, hpfar, value] = words;
    match esr::decode(esr) {
        Exception::InstructionAbort(abort) => {
            assert!(!abort.is_data());
            let _ = abort.ipa(far, hpfar);
        }
        Exception::DataAbort(abort) => {
            let address = abort.ipa(far, hpfar);
            let Some(access) = MmioAccess::of(abort.syndrome()) else { return };
            // An access that can be emulated is aligned and at the address of the abort.
            if let Some(ipa) = access.ipa(far, hpfar) {
                assert_eq!(address, Some(ipa));
                assert!(ipa.get().is_multiple_of(access.size()));
            }
            assert!(abort.is_data() && matches!(access.size(), 1 | 2 | 4 | 8));
            assert!(access.register() < 32);
            assert_eq!(access.stored(value) >> 1 >> (access.size() * 8 - 1), 0);
            let _ = access.loaded(value);
        }
        other => drop(format!("{other:?}")),
    }
});
