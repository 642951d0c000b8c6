//! Floods a network whose other end does the same.

use runtime::cpu;

use crate::links::{
    SIZE, describe_large, describe_small, give, give_buffers, is_up, notify, open, queue, used,
};

/// The descriptors of frames of 60 and 1,500 bytes and 64 KiB with which a ring is filled in turn.
const PATTERNS: [[u16; 3]; 4] = [[0; 3], [1; 3], [2; 3], [0, 1, 2]];

/// Receives and sends for ever: a ring full of frames with each notification, the first one while
/// nobody may be there.
pub fn flood() {
    open("lan");
    describe_small(0, 60);
    describe_small(1, 1500);
    describe_large(2);
    give_buffers();
    cpu::unmask_interrupts();
    let mut given = 0_u16;
    for pattern in PATTERNS.iter().cycle() {
        for index in 0..SIZE {
            give(queue(1), given, pattern[index % pattern.len()]);
            given = given.wrapping_add(1);
        }
        notify();
        while used(queue(1)) != given || !is_up() {
            cpu::relax();
        }
    }
}
