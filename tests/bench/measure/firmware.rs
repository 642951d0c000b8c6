//! A call that firmware offers, where the guest `firmware` stands in for that at EL3.

use super::column::Column;
use super::guest::{Found, found};
use crate::support::{Gic, Machine, Partition, system};

/// SMCCC_ARCH_WORKAROUND_1, where firmware offers it. With EL3 there is a secure state, and the groups of
/// interrupts are not all Bulkhead's: there are no direct ones.
pub fn work_around(column: Column) -> Found {
    let gic = if column.gic() == Gic::V2 { Gic::V2 } else { Gic::V3 };
    let machine = if column.bare().is_none() {
        Machine::with_firmware_alone(gic, "bench", "calls")
    } else {
        let guest = Partition::new("bench", "bench").bootargs("calls");
        Machine::with_firmware(gic, &system(&[guest]))
    };
    let outcome = machine.counting_instructions().boot();
    outcome.ends_with(0);
    let name = |(row, figure): (String, _)| {
        (row == "arch-workaround-1").then(|| ("arch-workaround-1-offered".into(), figure))
    };
    found(&outcome).into_iter().filter_map(name).collect()
}
