//! Partitions are built at the same time, each by its own first CPU.

use common::measure::parallel::{KERNEL_BYTES, instructions};
use common::{Gic, on_both_gics};

on_both_gics!(four_partitions_take_little_longer_than_one);

fn four_partitions_take_little_longer_than_one(gic: Gic) {
    let alone = instructions(gic, 1)[0];
    let together = instructions(gic, 4);
    println!("to the guest's first instruction: {alone} alone, {together:?} of four");
    let slowest = *together.iter().max().expect("there are four");
    assert!(slowest <= alone + alone / 4, "{together:?}, more than 5/4 of {alone}");
    // The other CPUs have built their partitions themselves, or at least copied the kernels.
    for own in &together[1..] {
        assert!(*own >= KERNEL_BYTES as u64 / 16, "{together:?}");
    }
}
