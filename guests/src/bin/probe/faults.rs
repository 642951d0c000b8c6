//! Accesses outside the partition, or where a bare machine has nothing: each must cause a
//! synchronous External abort at EL1 with the right syndrome and address (Arm ARM, ESR_EL1).

use runtime::exceptions::{Fault, attempt, probe_read, probe_write};
use runtime::mmu;

use crate::report::report;

/// An address between the devices of QEMU's `virt`, of which partitions have the memory map.
const HOLE: u64 = 0x0f00_0010;

const INSTRUCTION_ABORT: u64 = 0x21;
const DATA_ABORT: u64 = 0x25;
const EXTERNAL: u64 = 0x10;
/// ISS.WnR
const WRITE: u64 = 1 << 6;

/// Class, write or not, status and address of an abort.
type Abort = (u64, bool, u64, u64);

fn abort(fault: Fault) -> Abort {
    (fault.class(), fault.esr & WRITE != 0, fault.status(), fault.far)
}

/// Runs the checks.
pub fn check() {
    for (name, address) in [("hole", HOLE), ("nowhere", mmu::NOWHERE)] {
        // SAFETY: there is nothing at these addresses.
        let (load, store) = unsafe { (probe_read(address), probe_write(address, 1)) };
        report(
            format_args!("load-{name}"),
            load.map_err(abort),
            Err((DATA_ABORT, false, EXTERNAL, address)),
        );
        report(
            format_args!("store-{name}"),
            store.map_err(abort),
            Err((DATA_ABORT, true, EXTERNAL, address)),
        );
    }

    // SAFETY: as above; the function has nothing to drop.
    let pair = unsafe { attempt(load_pair, HOLE, 0) };
    report("load-pair", pair.map_err(abort), Err((DATA_ABORT, false, EXTERNAL, HOLE)));

    // SAFETY: as above; the function has nothing to drop.
    let fetch = unsafe { attempt(jump, mmu::NOWHERE, 0) };
    let fetch = fetch.map_err(|fault| (fault.class(), fault.status(), fault.far, fault.elr));
    report("fetch", fetch, Err((INSTRUCTION_ABORT, EXTERNAL, mmu::NOWHERE, mmu::NOWHERE)));
}

unsafe extern "C" fn load_pair(address: u64, _: u64) -> u64 {
    let value: u64;
    // SAFETY: guaranteed by the caller.
    unsafe {
        core::arch::asm!("ldp {}, {}, [{}]", out(reg) value, out(reg) _, in(reg) address,
            options(nostack));
    }
    value
}

unsafe extern "C" fn jump(address: u64, _: u64) -> u64 {
    // SAFETY: guaranteed by the caller.
    unsafe { core::arch::asm!("blr {}", in(reg) address, clobber_abi("C")) };
    0
}
