//! Queues, and the mistakes that a driver can make with them.

use super::driver::Driver;
use super::memory::{Memory, START};
use crate::arch::addr::Ipa;
use crate::virtio::chain::{Chain, Stop, room};
use crate::virtio::queue::{Queue, QueueSetup};
use crate::virtio::{EVENT_IDX, Fault, INDIRECT_DESC};

/// Where buffers and indirect tables are.
const BUFFER: u64 = START + 0x8000;
const TABLE: u64 = START + 0x9000;
const SIZE: u16 = 8;

fn driver(features: u64) -> Driver {
    Driver::new(&Memory::new(0x10000), 0, SIZE, features)
}

/// Reads the next chain, and returns its numbers of bytes to read and to write.
fn read(driver: &Driver) -> Result<(u64, u64), Fault> {
    let mut queue = driver.queue()?;
    assert!(queue.has_next(&driver.memory)?);
    let mut segments = room();
    let mut chain = Chain::new(&mut segments);
    match chain.read(&queue, &driver.memory, &mut 256) {
        Err(Stop::Fault(fault)) => Err(fault),
        other => Ok(other.map(|()| (chain.readable_bytes(), chain.writable_bytes())).unwrap()),
    }
}

#[test]
fn a_queue_with_a_wrong_size_or_place_is_refused() {
    let memory = Memory::new(0x10000);
    let at = |offset| Ipa::new(START + offset);
    let good = QueueSetup {
        is_ready: true,
        size: 8,
        descriptors: at(0),
        available: at(0x100),
        used: at(0x200),
    };
    let new = |setup: QueueSetup| Queue::set_up(&mut None, &setup, 0, &memory);
    assert_eq!(new(good), Ok(()));
    for size in [0, 3, 255, 257, 512, 0x8000, u16::MAX] {
        assert_eq!(new(QueueSetup { size, ..good }), Err(Fault::Setup), "{size}");
    }
    assert_eq!(new(QueueSetup { is_ready: false, ..good }), Err(Fault::Setup));
    assert_eq!(new(QueueSetup { descriptors: at(8), ..good }), Err(Fault::Setup));
    assert_eq!(new(QueueSetup { available: at(0x101), ..good }), Err(Fault::Setup));
    assert_eq!(new(QueueSetup { used: at(0x202), ..good }), Err(Fault::Setup));
    // The last bytes of the memory, and the first that are outside.
    let end = |bytes: u64| Ipa::new(START + 0x10000 - bytes);
    for (descriptors, available, used, result) in [
        (end(128), at(0), at(0x200), Ok(())),
        (end(112), at(0), at(0x200), Err(Fault::Outside)),
        (at(0), end(22), at(0x200), Ok(())),
        (at(0), end(20), at(0x200), Err(Fault::Outside)),
        (at(0), at(0x200), end(72), Ok(())),
        (at(0), at(0x200), end(68), Err(Fault::Outside)),
        (Ipa::new(0), at(0x200), at(0x300), Err(Fault::Outside)),
        (at(0), Ipa::new(u64::MAX - 1), at(0x300), Err(Fault::Outside)),
    ] {
        assert_eq!(
            new(QueueSetup { is_ready: true, size: 8, descriptors, available, used }),
            result
        );
    }
}

#[test]
fn chains_direct_indirect_and_mixed_are_read() {
    let mut direct = driver(0);
    direct.add(&[(BUFFER, 10, false), (BUFFER, 0, false), (BUFFER, 20, true)]);
    assert_eq!(read(&direct), Ok((10, 20)));
    let mut indirect = driver(INDIRECT_DESC);
    indirect.add_indirect(TABLE, &[(BUFFER, 1, false), (BUFFER, 2, true), (BUFFER, 3, true)]);
    assert_eq!(read(&indirect), Ok((1, 5)));
    // One descriptor of the queue, followed by an indirect table (VIRTIO 1.2, 2.7.5.3.1).
    let mut mixed = driver(INDIRECT_DESC);
    let head = mixed.add(&[(BUFFER, 4, false), (TABLE, 32, false)]);
    mixed.describe(TABLE, 0, (BUFFER, 5, false), 1, 1);
    mixed.describe(TABLE, 1, (BUFFER, 6, true), 0, 0);
    let table = mixed.setup.descriptors.get();
    mixed.describe(table, head + 1, (TABLE, 32, false), 4, 0);
    assert_eq!(read(&mixed), Ok((9, 6)));
}

#[test]
fn wrong_chains_are_faults() {
    let check = |features, expected, change: &dyn Fn(&mut Driver, u64, u16)| {
        let mut driver = driver(features);
        let head = driver.add(&[(BUFFER, 4, false), (TABLE, 32, false)]);
        let table = driver.setup.descriptors.get();
        change(&mut driver, table, head);
        assert_eq!(read(&driver), Err(expected));
    };
    let small = (BUFFER, 4, false);
    check(0, Fault::ChainLength, &|it, table, head| it.describe(table, head, small, 1, head));
    check(0, Fault::DescriptorIndex, &|it, table, head| it.describe(table, head, small, 1, SIZE));
    check(0, Fault::DescriptorIndex, &|it, _, _| {
        it.memory.set(it.available_at(4), &SIZE.to_le_bytes());
    });
    check(0, Fault::AvailableIndex, &|it, _, _| {
        it.memory.set(it.available_at(2), &(SIZE + 1).to_le_bytes());
    });
    check(0, Fault::AvailableIndex, &|it, _, _| {
        it.memory.set(it.available_at(2), &u16::MAX.to_le_bytes());
    });
    check(0, Fault::Order, &|it, table, head| {
        it.describe(table, head, (BUFFER, 4, true), 1, head + 1);
    });
    let entry = |it: &Driver, table, head: u16, size, flags| {
        it.describe(table, head + 1, (TABLE, size, false), flags, 0);
    };
    // Not negotiated; not the last; not a multiple of a descriptor's size; empty.
    check(0, Fault::Indirect, &|it, table, head| entry(it, table, head, 32, 4));
    check(INDIRECT_DESC, Fault::Indirect, &|it, table, head| entry(it, table, head, 32, 5));
    check(INDIRECT_DESC, Fault::Indirect, &|it, table, head| entry(it, table, head, 40, 4));
    check(INDIRECT_DESC, Fault::Indirect, &|it, table, head| entry(it, table, head, 0, 4));
    check(INDIRECT_DESC, Fault::Indirect, &|it, table, head| {
        entry(it, table, head, 32, 4);
        it.describe(TABLE, 0, (TABLE, 32, false), 4, 0);
    });
    check(INDIRECT_DESC, Fault::DescriptorIndex, &|it, table, head| {
        entry(it, table, head, 32, 4);
        it.describe(TABLE, 0, (BUFFER, 1, false), 1, 2);
    });
    check(INDIRECT_DESC, Fault::ChainLength, &|it, table, head| {
        entry(it, table, head, 32, 4);
        it.describe(TABLE, 0, (BUFFER, 1, false), 1, 0);
    });
    check(INDIRECT_DESC, Fault::Outside, &|it, table, head| {
        it.describe(table, head + 1, (START - 16, 16, false), 4, 0);
    });
    check(INDIRECT_DESC, Fault::Outside, &|it, table, head| {
        it.describe(table, head + 1, (u64::MAX - 8, 16, false), 4, 0);
    });
}

#[test]
fn interrupts_are_wanted_as_the_driver_says() {
    for features in [0, EVENT_IDX] {
        let driver = driver(features);
        let mut queue = driver.queue().unwrap();
        let memory = &driver.memory;
        let mut use_buffers = |event: u16, flags: u16, count: u16| {
            memory.set(driver.available_at(4 + 2 * u64::from(SIZE)), &event.to_le_bytes());
            memory.set(driver.available_at(0), &flags.to_le_bytes());
            for _ in 0..count {
                queue.put_used(memory, 0, 0);
            }
            queue.publish(memory);
            queue.must_signal(memory)
        };
        let has_event = features != 0;
        assert!(!use_buffers(0, 0, 0), "nothing is new");
        assert!(use_buffers(0, 0, 1));
        assert!(!use_buffers(2, 1, 1));
        assert_eq!(use_buffers(2, 1, 1), has_event, "the flag counts without EVENT_IDX alone");
        assert_eq!(use_buffers(2, 0, 1), !has_event);
        assert_eq!(use_buffers(6, 1, 5), has_event);
    }
}

#[test]
fn notifications_are_asked_for_without_losing_one() {
    for features in [0, EVENT_IDX] {
        let mut driver = driver(features);
        let memory = driver.memory.clone();
        let mut queue = driver.queue().unwrap();
        queue.disarm(&memory);
        driver.must_notify();
        driver.add(&[(BUFFER, 1, false)]);
        assert_eq!(driver.must_notify(), features != 0, "only the first one, with EVENT_IDX");
        // The buffer came before the device asked.
        assert_eq!(queue.arm(&memory), Ok(true));
        assert_eq!(queue.has_next(&memory), Ok(true));
        queue.put_used(&memory, 0, 0);
        assert_eq!(queue.arm(&memory), Ok(false));
        driver.add(&[(BUFFER, 1, false)]);
        assert!(driver.must_notify());
    }
}

#[test]
fn a_chain_that_is_larger_than_the_budget_is_not_read() {
    let mut driver = driver(0);
    driver.add(&[(BUFFER, 1, false); 4]);
    let mut queue = driver.queue().unwrap();
    assert_eq!(queue.has_next(&driver.memory), Ok(true));
    let mut segments = room();
    let mut chain = Chain::new(&mut segments);
    assert_eq!(chain.read(&queue, &driver.memory, &mut 3), Err(Stop::Spent));
    let mut budget = 4;
    assert_eq!(chain.read(&queue, &driver.memory, &mut budget), Ok(()));
    assert_eq!(budget, 0);
}
