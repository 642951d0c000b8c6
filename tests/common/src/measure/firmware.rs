//! A call that firmware offers: the guest `firmware` takes the place of firmware at EL3.

use super::column::Column;
use super::guest::{Found, found};
use crate::{Gic, Machine, Partition, source};

/// Measures SMCCC_ARCH_WORKAROUND_1, which the firmware offers. A machine with EL3 has two Security
/// states, so Bulkhead does not own both interrupt groups and delivers no interrupt directly.
pub fn work_around(column: Column) -> Found {
    let gic = if column.gic() == Gic::V2 { Gic::V2 } else { Gic::V3 };
    let machine = if column.bare().is_none() {
        Machine::with_firmware_alone(gic, "bench", "calls")
    } else {
        let guest = Partition::new("bench", "bench").bootargs("calls");
        Machine::with_firmware(gic, &source(&[guest]))
    };
    let outcome = machine.counting_instructions().boot();
    outcome.expect_status(0);
    let name = |(row, figure): (String, _)| {
        (row == "arch-workaround-1").then(|| ("arch-workaround-1-offered".into(), figure))
    };
    found(&outcome).into_iter().filter_map(name).collect()
}
