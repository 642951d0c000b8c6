//! PSCI and SMCCC answers.

use runtime::psci::{call, call_by};
use runtime::tree::{Conduit, machine};
use runtime::{cpu, mmu, timer};

use crate::{check as report, in_partition};

const NOT_SUPPORTED: i32 = -1;
const INVALID_PARAMETERS: i32 = -2;
const ALREADY_ON: i32 = -4;
const INVALID_ADDRESS: i32 = -9;

const CPU_ON: u64 = 0xc400_0003;
const SMCCC_VERSION: u64 = 0x8000_0000;
/// The affinity of a CPU that no machine has.
const NOBODY: u64 = 0x7f_7f7f;

/// Name, function, first two arguments, answer.
type Row = (&'static str, u64, [u64; 2], i32);

const ANYWHERE: [Row; 6] = [
    ("psci-features-cpu-on", 0x8400_000a, [CPU_ON, 0], 0),
    (
        "psci-features-unknown",
        0x8400_000a,
        [0x8400_00ff, 0],
        NOT_SUPPORTED,
    ),
    (
        "psci-cpu-on-nobody",
        CPU_ON,
        [NOBODY, 0x4000_0000],
        INVALID_PARAMETERS,
    ),
    (
        "psci-affinity-info-nobody",
        0xc400_0004,
        [NOBODY, 0],
        INVALID_PARAMETERS,
    ),
    ("psci-migrate-info-type", 0x8400_0006, [0, 0], 2),
    ("psci-cpu-freeze", 0x8400_000b, [0, 0], NOT_SUPPORTED),
];

const PARTITION: [Row; 12] = [
    ("psci-version", 0x8400_0000, [0, 0], 0x1_0001),
    ("psci-features-smccc", 0x8400_000a, [SMCCC_VERSION, 0], 0),
    ("psci-unknown", 0x8400_00ff, [0, 0], NOT_SUPPORTED),
    ("psci-migrate", 0x8400_0005, [0, 0], NOT_SUPPORTED),
    ("smccc-version", SMCCC_VERSION, [0, 0], 0x1_0002),
    ("smccc-features-version", 0x8000_0001, [SMCCC_VERSION, 0], 0),
    (
        "smccc-features-unknown",
        0x8000_0001,
        [0x8000_3ffe, 0],
        NOT_SUPPORTED,
    ),
    ("smccc-arch-unknown", 0x8000_3ffe, [0, 0], NOT_SUPPORTED),
    ("smccc-sip", 0x8200_0000, [0, 0], NOT_SUPPORTED),
    ("smccc-oem", 0x8300_0000, [0, 0], NOT_SUPPORTED),
    ("smccc-trusted-os", 0xb200_0000, [0, 0], NOT_SUPPORTED),
    (
        "smccc-nonsense",
        0x1234_5678_9abc_def0,
        [0, 0],
        NOT_SUPPORTED,
    ),
];

pub fn check() {
    let own = machine().cpus()[0];
    table(&ANYWHERE);
    let entry = cpu::secondary_entry_address();
    report("psci-cpu-on-self", answer(CPU_ON, [own, entry]), ALREADY_ON);
    report("psci-affinity-info-self", answer(0xc400_0004, [own, 0]), 0);
    suspend();
    if !in_partition() {
        return;
    }
    table(&PARTITION);
    if let Some(&other) = machine().cpus().get(1) {
        let result = answer(CPU_ON, [other, mmu::NOWHERE]);
        report("psci-cpu-on-nowhere", result, INVALID_ADDRESS);
    }
    for (name, conduit) in [("psci-by-hvc", Conduit::Hvc), ("psci-by-smc", Conduit::Smc)] {
        report(name, call_by(conduit, 0x8400_0000, [0; 6])[0], 0x1_0001);
    }
}

fn table(rows: &[Row]) {
    for &(name, function, arguments, should) in rows {
        report(name, answer(function, arguments), should);
    }
}

fn answer(function: u64, [a, b]: [u64; 2]) -> i32 {
    call(function, [a, b, 0, 0, 0, 0])[0] as i32
}

/// CPU_SUSPEND to standby comes back when an interrupt is pending.
fn suspend() {
    runtime::gic::enable(machine().virtual_timer);
    timer::arm_after(timer::microseconds(2_000));
    let answer = answer(0xc400_0001, [0, 0]);
    timer::disarm();
    runtime::gic::disable(machine().virtual_timer);
    report("psci-cpu-suspend", answer, 0);
}
