//! Partitions are built at the same time, each by its own first CPU.

use common::measure::parallel::{KERNEL_BYTES, instructions, on_boot_cpu};
use common::{Gic, on_both_gics};

on_both_gics!(four_partitions_take_little_longer_than_one);

/// Eight partitions more cost the boot CPU the same from any number on, within a few percent.
#[test]
fn boot_takes_no_longer_per_partition_the_more_there_are() {
    let [few, more, many] = [6, 14, 22].map(|count| on_boot_cpu(Gic::V3, count));
    let [first, second] = [more - few, many - more];
    println!("eight partitions more take {first} instructions, the next eight {second}");
    assert!(second <= first + first / 20, "{first}, then {second}");
}

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
