//! Random seeds in the device tree, and TRNG calls (DEN0098).

use runtime::println;
use runtime::psci::{Error, answer, call, call_by, system_reset};
use runtime::tree::{Conduit, machine};

use crate::report::{in_partition, report};

const VERSION: u64 = 0x8400_0050;
const FEATURES: u64 = 0x8400_0051;
const GET_UUID: u64 = 0x8400_0052;
const RND32: u64 = 0x8400_0053;
const RND64: u64 = 0xc400_0053;

/// The identity of Bulkhead's TRNG.
const UUID: [u64; 4] = [0x78f3_7a94, 0x4243_52bb, 0xd45e_0796, 0x244c_a18c];

/// Name, function, argument, result.
type Row = (&'static str, u64, u64, Result<u32, Error>);

#[rustfmt::skip]
const CALLS: [Row; 9] = [
    ("trng-version",          VERSION,  0,           Ok(0x1_0000)),
    ("trng-features",         FEATURES, RND64,       Ok(0)),
    ("trng-features-unknown", FEATURES, 0xc400_0054, Err(Error::NOT_SUPPORTED)),
    ("trng-unknown",          0xc400_0054, 1,        Err(Error::NOT_SUPPORTED)),
    ("trng-no-bits",          RND64,    0,           Err(Error::INVALID_PARAMETERS)),
    ("trng-too-many-bits",    RND64,    193,         Err(Error::INVALID_PARAMETERS)),
    ("trng-too-many-bits-32", RND32,    97,          Err(Error::INVALID_PARAMETERS)),
    ("trng-all-bits",         RND64,    192,         Ok(0)),
    ("trng-all-bits-32",      RND32,    96,          Ok(0)),
];

/// Runs the checks: a partition has either an `rng-seed` and TRNG calls, or neither.
pub fn check() {
    if !in_partition() {
        return;
    }
    let [kaslr_seed, rng_seed] = machine().seeds;
    if rng_seed.is_empty() {
        for (name, function, argument, _) in CALLS {
            report(name, answer(function, [argument, 0, 0]), Err(Error::NOT_SUPPORTED));
        }
        return;
    }
    report("seeds", [kaslr_seed.len(), rng_seed.len()], [8, 64]);
    for (name, function, argument, expected) in CALLS {
        report(name, answer(function, [argument, 0, 0]), expected);
    }
    report("trng-uuid", call(GET_UUID, [0; 6]), UUID);
    for (name, conduit) in [("trng-by-hvc", Conduit::Hvc), ("trng-by-smc", Conduit::Smc)] {
        let numbers = [(); 8].map(|()| call_by(conduit, RND64, bits(192)));
        let zeros = numbers.as_flattened().iter().filter(|word| **word == 0).count();
        report(name, zeros, numbers.len());
    }
    // x1 to x3 have the highest to the lowest bits.
    report("trng-one-bit", call(RND64, bits(1)).map(|word| word >> 1), [0; 4]);
    let [_, x1, x2, x3] = call(RND32, bits(33));
    report("trng-33-bits", [x1, x2 >> 1, x3 >> 32], [0; 3]);
}

/// Returns the arguments of a call for this number of bits.
const fn bits(number: u64) -> [u64; 6] {
    [number, 0, 0, 0, 0, 0]
}

/// Prints the seeds and the numbers of three calls, then resets the partition.
pub fn show() -> ! {
    for (name, seed) in ["kaslr-seed", "rng-seed"].into_iter().zip(machine().seeds) {
        println!("probe: random {name} {}", Hexadecimal(seed));
    }
    for _ in 0..3 {
        let [status, numbers @ ..] = call(RND64, bits(192));
        let numbers = numbers.map(u64::to_be_bytes);
        println!("probe: random call {status:x} {}", Hexadecimal(numbers.as_flattened()));
    }
    system_reset()
}

/// Bytes, displayed as two digits each; `none` if there are none.
struct Hexadecimal<'a>(&'a [u8]);

impl core::fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
