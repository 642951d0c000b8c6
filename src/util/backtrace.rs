//! Recognition of return addresses on a stack without frame records.
//!
//! The image is compiled without frame records, which cost instructions in every function. A
//! backtrace is therefore heuristic: each word on the stack that points just after a call
//! instruction, the last call first. Some may be left from calls that have returned.

/// Returns whether an A64 instruction is BL or BLR, which write a return address to x30 (Arm ARM
/// C6.2).
#[must_use]
pub const fn is_call(instruction: u32) -> bool {
    const BL: (u32, u32) = (0xfc00_0000, 0x9400_0000);
    const BLR: (u32, u32) = (0xffff_fc1f, 0xd63f_0000);
    instruction & BL.0 == BL.1 || instruction & BLR.0 == BLR.1
}

#[cfg(test)]
mod tests {
    use super::is_call;

    #[test]
    fn calls_are_distinguished_from_similar_instructions() {
        // bl .+4, bl .-4, blr x0, blr x30
        for call in [0x9400_0001, 0x97ff_ffff, 0xd63f_0000, 0xd63f_03c0] {
            assert!(is_call(call), "{call:#x}");
        }
        // b .+4, br x0, ret, svc #0, udf #0
        for other in [0x1400_0001, 0xd61f_0000, 0xd65f_03c0, 0xd400_0001, 0] {
            assert!(!is_call(other), "{other:#x}");
        }
    }
}
