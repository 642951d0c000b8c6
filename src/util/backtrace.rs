//! What tells return addresses from other words on a stack.
//!
//! Functions keep no frame records: these would cost each of them instructions. So a backtrace is what
//! looks like a return address, the last call first. Some of it may be left of calls that have returned.

/// Whether an instruction leaves the address of the next one in x30: BL or BLR (Arm ARM C6.2).
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
    fn calls_are_told_from_what_only_looks_like_them() {
        // bl .+4, bl .-4, blr x0, blr x30
        for call in [0x9400_0001, 0x97ff_ffff, 0xd63f_0000, 0xd63f_03c0] {
            assert!(is_call(call), "{call:#x}");
        }
        // b .+4, br x0, ret, svc #0, nothing
        for other in [0x1400_0001, 0xd61f_0000, 0xd65f_03c0, 0xd400_0001, 0] {
            assert!(!is_call(other), "{other:#x}");
        }
    }
}
