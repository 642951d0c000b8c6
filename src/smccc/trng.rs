//! The TRNG Firmware Interface 1.0 (Arm DEN0098) as a guest sees it.
//!
//! | function | x0 | x1, x2, x3 |
//! |---|---|---|
//! | VERSION | 1.0 | 0 |
//! | FEATURES | 0 if the function in w1 is one of this table, otherwise NOT_SUPPORTED | 0 |
//! | GET_UUID | the first four bytes of [`UUID`] | the other bytes |
//! | RND, of 32 and of 64 bits | 0, or INVALID_PARAMETERS unless x1 is from 1 to 96 or 192 | that number of random bits, the lowest in x3; the other bits are 0 |
//! | others | NOT_SUPPORTED | 0 |
//!
//! NO_ENTROPY is never returned: a stream does not end, and where the machine has no entropy the
//! guest does not have the interface at all. This file is a part of the wing `entropy`, but for
//! [`TrngCalls`].

use super::codes::{NOT_SUPPORTED, SUCCESS};
use super::psci::{INVALID_PARAMETERS, SMC64};
use super::service::{Outcome, Request, Service};

const VERSION: u32 = 0x8400_0050;
const FEATURES: u32 = 0x8400_0051;
const GET_UUID: u32 = 0x8400_0052;
const RND32: u32 = 0x8400_0053;
const RND64: u32 = RND32 | SMC64;

/// Major version in bits 30:16, minor version in bits 15:0.
const VERSION_1_0: u64 = 1 << 16;

/// The identity of this implementation, 947af378-bb52-4342-9607-5ed48ca14c24, as DEN0028 passes a
/// UUID: the first byte in the lowest bits of the first register. The first word is not -1, which
/// would be NOT_SUPPORTED.
const UUID: [u64; 4] = [0x78f3_7a94, 0x4243_52bb, 0xd45e_0796, 0x244c_a18c];

/// Returns a negative code as a register has it.
const fn register(code: i64) -> u64 {
    code as u64
}

/// The functions of the interface, for which the partition's source of random numbers answers.
pub struct TrngCalls;

impl Service for TrngCalls {
    #[inline(always)]
    fn owns(&self, function: u32) -> bool {
        const NUMBER: u32 = 0xf;
        function & !(SMC64 | NUMBER) == VERSION
    }

    #[inline(always)]
    fn handle(&self, _: Request) -> Outcome {
        Outcome::Trng
    }
}

/// Answers a call of [`TrngCalls`] whose x0 to x3 are `x`, in the same place. `fill` writes random
/// numbers.
pub fn answer(x: &mut [u64; 4], fill: impl FnOnce(&mut [u64])) {
    let [function, argument, ..] = *x;
    refuse(x);
    match function as u32 {
        VERSION => x[0] = VERSION_1_0,
        FEATURES if is_implemented(argument as u32) => x[0] = register(SUCCESS),
        GET_UUID => *x = UUID,
        // The 32-bit convention ignores the upper half of an argument.
        RND32 => random(x, u64::from(argument as u32), 32, fill),
        RND64 => random(x, argument, 64, fill),
        _ => {}
    }
}

/// Answers a call of a function that does not exist.
pub fn refuse(x: &mut [u64; 4]) {
    *x = [register(NOT_SUPPORTED), 0, 0, 0];
}

/// Returns whether a function is one of the interface.
fn is_implemented(function: u32) -> bool {
    matches!(function, VERSION | FEATURES | GET_UUID | RND32 | RND64)
}

/// Answers a call for this number of bits, in registers of `width` bits.
fn random(x: &mut [u64; 4], bits: u64, width: u64, fill: impl FnOnce(&mut [u64])) {
    if bits == 0 || bits > 3 * width {
        x[0] = register(INVALID_PARAMETERS);
        return;
    }
    fill(&mut x[1..]);
    for (word, below) in x[1..].iter_mut().rev().zip([0, width, 2 * width]) {
        *word &= match bits.saturating_sub(below).min(width) {
            64 => u64::MAX,
            wanted => (1 << wanted) - 1,
        };
    }
    x[0] = register(SUCCESS);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Returns what a call returns where every random bit is one.
    fn call(function: u32, argument: u64) -> [u64; 4] {
        let mut x = [u64::from(function), argument, 3, 4];
        answer(&mut x, |words| words.fill(u64::MAX));
        x
    }

    const REFUSED: [u64; 4] = [-1_i64 as u64, 0, 0, 0];
    const INVALID: [u64; 4] = [-2_i64 as u64, 0, 0, 0];

    #[test]
    fn version_features_and_identity() {
        assert_eq!(call(0x8400_0050, 0), [0x1_0000, 0, 0, 0]);
        for function in [0x8400_0050, 0x8400_0051, 0x8400_0052, 0x8400_0053, 0xc400_0053] {
            assert_eq!(call(0x8400_0051, function), [0; 4], "{function:#x}");
        }
        for function in [0x8400_0054, 0xc400_0050, 0xc400_0052, 0x8400_0000, 0, 0xffff_ffff] {
            assert_eq!(call(0x8400_0051, function), REFUSED, "{function:#x}");
        }
        let uuid: Vec<u8> =
            call(0x8400_0052, 0).iter().flat_map(|word| (*word as u32).to_le_bytes()).collect();
        assert_eq!(uuid[..8], [0x94, 0x7a, 0xf3, 0x78, 0xbb, 0x52, 0x43, 0x42]);
        assert_eq!(uuid[8..], [0x96, 0x07, 0x5e, 0xd4, 0x8c, 0xa1, 0x4c, 0x24]);
        for function in [0x8400_0054, 0x8400_005f, 0xc400_0050, 0xc400_0051, 0xc400_0052] {
            assert_eq!(call(function, 1), REFUSED, "{function:#x}");
        }
    }

    #[test]
    fn as_many_bits_are_returned_as_are_wanted() {
        const ONES: u64 = u64::MAX;
        for (bits, words) in [
            (0, INVALID),
            (1, [0, 0, 0, 1]),
            (63, [0, 0, 0, ONES >> 1]),
            (64, [0, 0, 0, ONES]),
            (65, [0, 0, 1, ONES]),
            (128, [0, 0, ONES, ONES]),
            (191, [0, ONES >> 1, ONES, ONES]),
            (192, [0, ONES, ONES, ONES]),
            (193, INVALID),
            (1 << 32 | 1, INVALID),
            (u64::MAX, INVALID),
        ] {
            assert_eq!(call(0xc400_0053, bits), words, "{bits}");
        }
        const HALF: u64 = 0xffff_ffff;
        for (bits, words) in [
            (0, INVALID),
            (1, [0, 0, 0, 1]),
            (32, [0, 0, 0, HALF]),
            (33, [0, 0, 1, HALF]),
            (95, [0, HALF >> 1, HALF, HALF]),
            (96, [0, HALF, HALF, HALF]),
            (97, INVALID),
            // The upper half is ignored.
            (7 << 32 | 33, [0, 0, 1, HALF]),
            (1 << 32, INVALID),
        ] {
            assert_eq!(call(0x8400_0053, bits), words, "{bits}");
        }
    }

    #[test]
    fn numbers_are_only_drawn_for_a_valid_call() {
        for (function, bits, words) in
            [(0x8400_0050, 1, 0), (0xc400_0053, 0, 0), (0xc400_0053, 193, 0), (0xc400_0053, 1, 3)]
        {
            let (mut x, mut drawn) = ([function, bits, 0, 0], 0);
            answer(&mut x, |words| drawn += words.len());
            assert_eq!(drawn, words, "{function:#x} {bits}");
        }
    }
}
