//! PSCI and SMCCC calls.

use runtime::psci::{Error, answer, call_by};
use runtime::tree::{Conduit, machine};
use runtime::{mmu, secondary, timer};

use crate::report::{in_partition, report};

const VERSION: u64 = 0x8400_0000;
const FEATURES: u64 = 0x8400_000a;
const CPU_SUSPEND: u64 = 0xc400_0001;
const CPU_ON: u64 = 0xc400_0003;
const AFFINITY_INFO: u64 = 0xc400_0004;
const SMCCC_VERSION: u64 = 0x8000_0000;
const ARCH_FEATURES: u64 = 0x8000_0001;
/// The affinity of a CPU that no machine has.
const UNKNOWN_CPU: u64 = 0x7f_7f7f;

/// Name, function, first two arguments, result.
type Row = (&'static str, u64, [u64; 2], Result<u32, Error>);

const NOT_SUPPORTED: Result<u32, Error> = Err(Error::NOT_SUPPORTED);
const INVALID_PARAMETERS: Result<u32, Error> = Err(Error::INVALID_PARAMETERS);

#[rustfmt::skip]
const ANYWHERE: [Row; 6] = [
    ("psci-features-cpu-on",      FEATURES,      [CPU_ON, 0],           Ok(0)),
    ("psci-features-unknown",     FEATURES,      [0x8400_00ff, 0],      NOT_SUPPORTED),
    ("psci-cpu-on-unknown",        CPU_ON,        [UNKNOWN_CPU, 0x4000_0000], INVALID_PARAMETERS),
    ("psci-affinity-info-unknown", AFFINITY_INFO, [UNKNOWN_CPU, 0],           INVALID_PARAMETERS),
    ("psci-migrate-info-type",    0x8400_0006,   [0, 0],                Ok(2)),
    ("psci-cpu-freeze",           0x8400_000b,   [0, 0],                NOT_SUPPORTED),
];

#[rustfmt::skip]
const PARTITION: [Row; 12] = [
    ("psci-version",           VERSION,        [0, 0],             Ok(0x1_0001)),
    ("psci-features-smccc",    FEATURES,       [SMCCC_VERSION, 0], Ok(0)),
    ("psci-unknown",           0x8400_00ff,    [0, 0],             NOT_SUPPORTED),
    ("psci-migrate",           0x8400_0005,    [0, 0],             NOT_SUPPORTED),
    ("smccc-version",          SMCCC_VERSION,  [0, 0],             Ok(0x1_0002)),
    ("smccc-features-version", ARCH_FEATURES,  [SMCCC_VERSION, 0], Ok(0)),
    ("smccc-features-unknown", ARCH_FEATURES,  [0x8000_3ffe, 0],   NOT_SUPPORTED),
    ("smccc-arch-unknown",     0x8000_3ffe,    [0, 0],             NOT_SUPPORTED),
    ("smccc-sip",              0x8200_0000,    [0, 0],             NOT_SUPPORTED),
    ("smccc-oem",              0x8300_0000,    [0, 0],             NOT_SUPPORTED),
    ("smccc-trusted-os",       0xb200_0000,    [0, 0],             NOT_SUPPORTED),
    ("smccc-invalid",         0xffff_ffff,    [0, 0],             NOT_SUPPORTED),
];

/// Runs the checks.
pub fn check() {
    let own = machine().cpus()[0];
    table(&ANYWHERE);
    let entry = secondary::entry_address();
    report("psci-cpu-on-self", answer(CPU_ON, [own, entry, 0]), Err(Error::ALREADY_ON));
    report("psci-affinity-info-self", answer(AFFINITY_INFO, [own, 0, 0]), Ok(0));
    suspend();
    if !in_partition() {
        return;
    }
    table(&PARTITION);
    if let Some(&other) = machine().cpus().get(1) {
        let result = answer(CPU_ON, [other, mmu::NOWHERE, 0]);
        report("psci-cpu-on-nowhere", result, Err(Error::INVALID_ADDRESS));
    }
    for (name, conduit) in [("psci-by-hvc", Conduit::Hvc), ("psci-by-smc", Conduit::Smc)] {
        report(name, call_by(conduit, VERSION, [0; 6])[0], 0x1_0001);
    }
}

fn table(rows: &[Row]) {
    for &(name, function, [a, b], expected) in rows {
        report(name, answer(function, [a, b, 0]), expected);
    }
}

/// Checks that CPU_SUSPEND to standby returns when an interrupt is pending.
fn suspend() {
    runtime::gic::enable(machine().virtual_timer);
    timer::arm_after(timer::microseconds(2_000));
    let answer = answer(CPU_SUSPEND, [0; 3]);
    timer::disarm();
    runtime::gic::disable(machine().virtual_timer);
    report("psci-cpu-suspend", answer, Ok(0));
}
