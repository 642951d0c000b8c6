//! Hostile drivers: rings with anything in them, that change between two reads.

use super::disk::Machine as DiskMachine;
use super::driver::Driver;
use super::machine::Machine;
use super::memory::START;
use crate::virtio::link::Kind;
use crate::virtio::personality::{NET_GUEST_CSUM, NET_MRG_RXBUF};
use crate::virtio::{BYTES_PER_CALL, DESCRIPTORS_PER_CALL, EVENT_IDX, INDIRECT_DESC, VERSION_1};
use proptest::prelude::*;
use std::vec::Vec;

const ALL: u64 = NET_GUEST_CSUM | NET_MRG_RXBUF | EVENT_IDX | INDIRECT_DESC | VERSION_1;
const SIZE: u16 = 64;

/// A descriptor: address, size, flags and next index.
type Descriptor = (u64, u32, u16, u16);

fn descriptor() -> impl Strategy<Value = Descriptor> {
    let end = START + super::machine::SIZE as u64;
    let address = prop_oneof![
        8 => START..end,
        // Tables of descriptors: the rings' own, and another one.
        4 => Just(START),
        4 => Just(START + 0x4000),
        4 => Just(START + 0x8000),
        1 => end - 64..end + 64,
        1 => any::<u64>(),
        1 => u64::MAX - 64..=u64::MAX
    ];
    let size = prop_oneof![
        8 => 12..2000_u32,
        4 => (1..20_u32).prop_map(|it| 16 * it),
        2 => Just(0),
        2 => 60_000..70_000_u32,
        1 => any::<u32>()
    ];
    let flags = prop_oneof![8 => 0..4_u16, 2 => Just(4), 1 => any::<u16>()];
    (address, size, flags, prop_oneof![9 => 0..SIZE, 1 => any::<u16>()])
}

/// What a hostile driver writes before a call.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    tables: Vec<Descriptor>,
    heads: Vec<u16>,
    /// How far the available indices of both queues go on.
    steps: [u16; 2],
    flags: [u16; 2],
    pub noise: u64,
}

pub(super) fn attack() -> impl Strategy<Value = Attack> {
    let step = || prop_oneof![8 => 0..=SIZE, 1 => any::<u16>()];
    (
        prop::collection::vec(descriptor(), 0..192),
        prop::collection::vec(prop_oneof![20 => 0..SIZE, 1 => any::<u16>()], SIZE as usize),
        [step(), step()],
        any::<[u16; 2]>(),
        prop_oneof![Just(0), any::<u64>()],
    )
        .prop_map(|(tables, heads, steps, flags, noise)| Attack {
            tables,
            heads,
            steps,
            flags,
            noise,
        })
}

/// Writes an attack over the rings of a driver.
pub(super) fn write(driver: &Driver, attack: &Attack, queue: usize) {
    let table = driver.setup.descriptors.get();
    for (index, &(at, size, flags, next)) in (0..SIZE).zip(&attack.tables) {
        driver.describe(table, index, (at, size, false), flags, next);
    }
    for (slot, head) in (0..).zip(&attack.heads) {
        driver.memory.set(driver.available_at(4 + 2 * slot), &head.to_le_bytes());
    }
    let index = driver.memory.get_u16(driver.available_at(2)).wrapping_add(attack.steps[queue]);
    driver.memory.set(driver.available_at(2), &index.to_le_bytes());
    driver.memory.set(driver.available_at(0), &attack.flags[queue].to_le_bytes());
    let event = driver.available_at(4 + 2 * u64::from(SIZE));
    driver.memory.set(event, &attack.flags[1 - queue].to_le_bytes());
}

/// What one call costs at most: for each descriptor of both sides a few accesses to the rings.
const MOST_ACCESSES: u64 = 16 * 2 * DESCRIPTORS_PER_CALL as u64;

/// A frame or a packet from one port to another.
fn message(kind: Kind, from: u64, to: u64, seed: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    match kind {
        Kind::Network => {
            bytes.extend([0; 12]);
            bytes.extend(&to.to_le_bytes()[..6]);
        }
        Kind::Console => {}
        Kind::Socket => {
            bytes.extend(from.to_le_bytes());
            bytes.extend(to.to_le_bytes());
            bytes.extend([0; 8]);
            bytes.extend([60, 0, 0, 0, 1, 0, 5, 0]);
            bytes.extend([0; 12]);
        }
    }
    bytes.extend([seed; 60]);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..Default::default() })]

    /// Port 0 is hostile; the others go on talking, to it and to each other.
    #[test]
    fn a_hostile_driver_harms_nobody_else(
        kind in prop::sample::select(&[Kind::Network, Kind::Console, Kind::Socket][..]),
        has_third in any::<bool>(),
        features in (0..4_u64).prop_map(|it| ALL & !(3 << 28) | it << 28),
        attacks in prop::collection::vec(attack(), 1..8),
    ) {
        let count = if has_third && kind != Kind::Console { 3 } else { 2 };
        let addresses = [4_u64, 6, 8];
        let ports: Vec<_> =
            addresses[..count].iter().map(|&it| (it, if it == 4 { features } else { ALL })).collect();
        let mut machine = Machine::new(kind, &ports, SIZE);
        for (round, attack) in (1..).zip(&attacks) {
            write(&machine.cards[0].rx, attack, 0);
            write(&machine.cards[0].tx, attack, 1);
            for (index, &(at, size, flags, next)) in (0..).zip(attack.tables.iter().skip(64)) {
                let driver = &machine.cards[0].tx;
                driver.describe(START + 0x8000, index, (at, size, false), flags, next);
            }
            machine.cards[0].memory.noise.set(attack.noise);
            for (port, &from) in addresses.iter().enumerate().take(count).skip(1) {
                while machine.cards[port].rx.room() > 4 {
                    machine.cards[port].post(&[200], false);
                }
                machine.cards[port].send(&message(kind, from, 4, round), 44, 100, false);
            }
            for lane in &mut machine.lanes {
                let mut senders = 7;
                for _ in 0..8 {
                    for memory in &machine.ports.0 {
                        memory.accesses.set(0);
                        memory.copied.set(0);
                    }
                    let outcome = lane.run(senders, &machine.ports);
                    senders = outcome.more;
                    prop_assert_eq!(outcome.broken & !1, 0, "only the hostile one is broken");
                    prop_assert_eq!(outcome.fault.is_some(), outcome.broken != 0);
                    let memories = machine.ports.0.iter();
                    let accesses: u64 = memories.clone().map(|it| it.accesses.get()).sum();
                    let copied: u64 = memories.map(|it| it.copied.get()).sum();
                    prop_assert!(accesses <= MOST_ACCESSES, "{} accesses", accesses);
                    prop_assert!(copied <= BYTES_PER_CALL.into(), "{} bytes", copied);
                    for (port, card) in machine.cards.iter_mut().enumerate().skip(1) {
                        if outcome.signal >> port & 1 != 0 {
                            card.interrupt();
                        }
                    }
                }
            }
        }
        // Whatever happened, the others talk to each other: a third does, or after its reset the
        // hostile one itself.
        machine.cards[0].memory.noise.set(0);
        for card in &mut machine.cards[1..] {
            card.interrupt();
            card.received.clear();
            while card.rx.room() > 0 {
                card.post(&[4096], false);
            }
        }
        let sender = if count == 3 { 2 } else { 0 };
        for lane in &mut machine.lanes {
            let waiting = lane.detach(0);
            let mut senders = waiting;
            while senders != 0 {
                senders = lane.run(senders, &machine.ports).more;
            }
        }
        if sender == 0 {
            machine.restart(0);
        }
        for card in &mut machine.cards[1..] {
            card.interrupt();
            card.received.clear();
        }
        let bytes = message(kind, addresses[sender], 6, 0xee);
        machine.cards[sender].send(&bytes, 44, 100, false);
        machine.notify_if_needed(sender);
        let received = machine.cards[1].received.pop_back();
        let mut received = received.expect("it arrives");
        if kind == Kind::Network {
            received[10] = 0;
        }
        prop_assert_eq!(received, bytes);
        for card in &machine.cards[sender.max(1)..] {
            prop_assert_eq!(card.unsent(), 0);
        }
    }

    #[test]
    fn a_hostile_driver_of_a_disk_reaches_nothing_outside_it(
        attacks in prop::collection::vec(attack(), 1..8),
        headers in prop::collection::vec((0..9_u32, prop_oneof![0..500_u64, any::<u64>()]), 64),
    ) {
        let mut machine = DiskMachine::new(false);
        let [first, last] = machine.edges();
        for attack in &attacks {
            write(&machine.driver, attack, 0);
            for (index, &(at, size, flags, next)) in (0..).zip(attack.tables.iter().skip(64)) {
                machine.driver.describe(START + 0x8000, index, (at, size, false), flags, next);
            }
            for (place, (kind, sector)) in (0..).zip(&headers) {
                let at = START + 0x20000 + 0x800 * place;
                machine.memory.set(at, &kind.to_le_bytes());
                machine.memory.set(at + 8, &sector.to_le_bytes());
            }
            machine.memory.noise.set(attack.noise);
            for _ in 0..8 {
                machine.memory.accesses.set(0);
                machine.disk.run(&machine.memory, &machine.store);
                prop_assert!(machine.memory.accesses.get() <= MOST_ACCESSES);
            }
        }
        prop_assert_eq!(machine.edges(), [first, last]);
    }
}
