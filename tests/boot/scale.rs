//! Machines with many CPUs. QEMU runs the CPUs in turns on one thread: with a thread for each, a
//! CPU that waits for another one keeps it from running on a host with few CPUs.

use common::{Gic, Machine, Outcome, Partition, compile, source};

fn boot(cpus: usize, partitions: &[Partition]) -> Outcome {
    let machine = Machine::new(Gic::V3).cpus(cpus).option("-accel", "tcg,thread=single");
    machine.initrd(&compile(&source(partitions))).boot()
}

#[test]
fn sixty_four_partitions_on_sixty_four_cpus() {
    let hello = |number| Partition::new(&format!("guest{number}"), "hello").memory(4 << 20);
    let outcome = boot(64, &(0..64).map(hello).collect::<Vec<_>>());
    outcome.expect_success().expect_no_line("remark");
    outcome.expect_line("bulkhead", "CPUs        64 (0-0xf,0x100-0x10f,0x200-0x20f,0x300-0x30f)");
    for number in 0..64 {
        let name = format!("guest{number}");
        outcome.expect_line(&name, &format!("partition   {name}"));
        outcome.expect_line(&name, "hello: done, ticks=10");
        outcome.expect_line("bulkhead", &format!("{name}: powered off after"));
    }
}

/// Their state does not fit into the heap of Bulkhead's image.
#[test]
fn sixty_four_partitions_with_monitors() {
    let hello = |number| {
        let partition = Partition::new(&format!("guest{number}"), "hello");
        partition.memory(4 << 20).property("monitor;")
    };
    let outcome = boot(64, &(0..64).map(hello).collect::<Vec<_>>());
    outcome.expect_success();
    for number in 0..64 {
        outcome.expect_line(&format!("guest{number}"), "hello: done, ticks=10");
    }
}

#[test]
fn cpus_that_are_not_used_are_reported() {
    let outcome = boot(67, &[Partition::new("hello", "hello")]);
    outcome.expect_success().expect_line("hello", "hello: done, ticks=10");
    outcome.expect_line("bulkhead", "CPUs        64 ");
    let remark = "remark      CPUs 0x400 to 0x402 are not used: Bulkhead supports 64";
    outcome.expect_line("bulkhead", remark);
}
