//! Registers, as a driver uses them.

use crate::arch::addr::Ipa;
use crate::virtio::personality::{
    NET_CSUM, NET_GUEST_TSO4, NET_HOST_TSO4, NET_MTU, NET_STATUS, Personality, accepts,
};
use crate::virtio::queue::QueueSetup;
use crate::virtio::registers::{Action, Registers};
use crate::virtio::signals::{CONFIGURATION, Signals};
use crate::virtio::{EVENT_IDX, VERSION_1};
use proptest::prelude::*;

const CARD: Personality =
    Personality::Network { mac: [2, 0, 0, 1, 2, 3], mtu: 1500, has_offloads: true };

/// Negotiates features, and returns Status after FEATURES_OK.
fn negotiate(registers: &mut Registers, signals: &Signals, features: u64) -> u64 {
    for (offset, value) in [
        (0x70, 0),
        (0x70, 1),
        (0x70, 3),
        (0x24, 0),
        (0x20, features & 0xffff_ffff),
        (0x24, 1),
        (0x20, features >> 32),
        (0x70, 0xb),
    ] {
        registers.write(offset, 4, value, signals);
    }
    registers.read(0x70, 4, signals)
}

#[test]
fn a_driver_finds_the_device_and_its_features() {
    let signals = Signals::default();
    for (personality, id) in [
        (CARD, 1),
        (Personality::Block { sectors: 8, is_read_only: true }, 2),
        (Personality::Console, 3),
        (Personality::Socket { cid: 3 }, 19),
    ] {
        let mut registers = Registers::new(personality);
        let read = |registers: &Registers, offset| registers.read(offset, 4, &signals);
        assert_eq!([0, 4, 8].map(|at| read(&registers, at)), [0x7472_6976, 2, id]);
        let words = [0, 1, 2, u32::MAX].map(|selector| {
            registers.write(0x14, 4, selector.into(), &signals);
            read(&registers, 0x10)
        });
        assert_eq!(words, [personality.features() & 0xffff_ffff, 1, 0, 0]);
        let sizes = [0, 1, 2, 3, 0x1_0000].map(|queue| {
            registers.write(0x30, 4, queue, &signals);
            read(&registers, 0x34)
        });
        let expected =
            [0, 1, 2, 3, 9].map(|queue| if queue < personality.queues() { 256 } else { 0 });
        assert_eq!(sizes, expected);
        assert_eq!([0xb0, 0xbc].map(|at| read(&registers, at)), [0xffff_ffff; 2]);
    }
}

#[test]
fn features_are_accepted_if_they_are_offered_and_complete() {
    let signals = Signals::default();
    let mut registers = Registers::new(CARD);
    for (features, status) in [
        (VERSION_1 | EVENT_IDX | NET_STATUS, 0xb),
        (CARD.features(), 0xb),
        (EVENT_IDX, 3),
        (VERSION_1 | 1 << 60, 3),
        (VERSION_1 | NET_GUEST_TSO4, 3),
        (VERSION_1 | NET_HOST_TSO4, 3),
        (VERSION_1 | NET_HOST_TSO4 | NET_CSUM, 0xb),
    ] {
        assert_eq!(negotiate(&mut registers, &signals, features), status, "{features:#x}");
        let expected = if status == 0xb { Action::Ready } else { Action::None };
        assert_eq!(registers.write(0x70, 4, 0xf, &signals), expected);
    }
    // What was accepted stays.
    registers.write(0x20, 4, 0, &signals);
    assert_eq!(registers.features(), VERSION_1 | NET_HOST_TSO4 | NET_CSUM);
    let plain = Personality::Network { mac: [2; 6], mtu: 0, has_offloads: false };
    assert_eq!(plain.features() & (NET_CSUM | NET_GUEST_TSO4 | NET_MTU), 0);
}

#[test]
fn a_queue_is_described_and_used() {
    let signals = Signals::default();
    let mut registers = Registers::new(CARD);
    negotiate(&mut registers, &signals, VERSION_1);
    assert_eq!(registers.write(0x50, 4, 1, &signals), Action::None);
    for (offset, value) in [
        (0x30, 1),
        (0x38, 128),
        (0x80, 0x1000),
        (0x84, 1),
        (0x90, 0x2000),
        (0x94, 2),
        (0xa0, 0x3000),
        (0xa4, 3),
    ] {
        assert_eq!(registers.write(offset, 4, value, &signals), Action::None);
    }
    assert_eq!((registers.queues()[1].is_ready, registers.read(0x44, 4, &signals)), (false, 0));
    registers.write(0x44, 4, 1, &signals);
    let [descriptors, available, used] =
        [0x1_0000_1000, 0x2_0000_2000, 0x3_0000_3000].map(Ipa::new);
    let setup = QueueSetup { is_ready: true, size: 128, descriptors, available, used };
    // A queue that is ready does not change.
    registers.write(0x80, 4, 0, &signals);
    assert_eq!((registers.queues()[1], registers.queues()[0]), (setup, QueueSetup::default()));
    assert_eq!(registers.read(0x44, 4, &signals), 1);
    assert_eq!(registers.write(0x70, 4, 0xf, &signals), Action::Ready);
    assert_eq!(registers.write(0x50, 4, 1, &signals), Action::None, "the vectors notify");
    assert_eq!(registers.write(0x70, 4, 0x8f, &signals), Action::None, "FAILED");
    assert_eq!(registers.write(0x44, 4, 0, &signals), Action::Reset);
    assert_eq!(registers.write(0x44, 4, 1, &signals), Action::None);
    assert!(!registers.queues()[1].is_ready, "a queue of a working device does not come back");
    assert_eq!(registers.write(0x70, 4, 0, &signals), Action::Reset);
    assert_eq!((registers.read(0x70, 4, &signals), registers.features()), (0, 0));
}

#[test]
fn a_fault_and_the_link_are_shown() {
    let signals = Signals::default();
    let mut registers = Registers::new(CARD);
    negotiate(&mut registers, &signals, VERSION_1);
    assert_eq!(registers.read(0x106, 2, &signals), 0);
    let before = registers.read(0xfc, 4, &signals);
    assert!(signals.set_link(true));
    assert_eq!(registers.read(0x106, 2, &signals), 1);
    assert_ne!(registers.read(0xfc, 4, &signals), before);
    assert_eq!(registers.read(0x60, 4, &signals), CONFIGURATION.into());
    assert_eq!(registers.write(0x64, 4, 3, &signals), Action::None);
    assert!(signals.report_fault());
    assert_eq!(registers.read(0x70, 4, &signals), 0x4b);
    registers.write(0x70, 4, 0, &signals);
    assert_eq!(registers.read(0x70, 4, &signals), 0);
    assert_eq!(registers.read(0x106, 2, &signals), 1, "a reset does not unplug the cable");
}

#[test]
fn the_configuration_is_read_in_any_size_and_nothing_else_is() {
    let signals = Signals::default();
    let card = Registers::new(CARD);
    let bytes = [0, 1, 2, 3, 4, 5].map(|at| card.read(0x100 + at, 1, &signals));
    assert_eq!(bytes, [2, 0, 0, 1, 2, 3]);
    assert_eq!([card.read(0x108, 2, &signals), card.read(0x10a, 2, &signals)], [1, 1500]);
    assert_eq!(card.read(0x10a, 4, &signals), 0, "it is not aligned");
    assert_eq!(card.read(0x10c, 4, &signals), 0);
    let disk = Registers::new(Personality::Block { sectors: 0x1_0000_0003, is_read_only: false });
    assert_eq!([0x100, 0x104].map(|at| disk.read(at, 4, &signals)), [3, 1]);
    assert_eq!(disk.read(0x100, 8, &signals), 0x1_0000_0003);
    let socket = Registers::new(Personality::Socket { cid: 7 });
    assert_eq!([0x100, 0x104].map(|at| socket.read(at, 4, &signals)), [7, 0]);
    for size in [1, 2, 8] {
        assert_eq!(card.read(0, size, &signals), 0);
    }
    assert_eq!(card.read(2, 4, &signals), 0);
}

proptest! {
    #[test]
    fn any_accesses_leave_a_device_that_can_be_reset(
        accesses in prop::collection::vec(
            (0..0x140_u64, prop::sample::select(&[1_u8, 2, 4, 4, 4, 8][..]), any::<u64>(), 0..3),
            0..200,
        ),
    ) {
        let signals = Signals::default();
        let mut registers = Registers::new(CARD);
        for (offset, size, value, kind) in accesses {
            let offset = if size == 4 { offset & !3 } else { offset };
            if kind == 0 {
                let value = registers.read(offset, size, &signals);
                prop_assert!(size == 8 || value >> (8 * size) == 0);
            } else {
                let value = if kind == 1 { value & 0xf } else { value };
                let action = registers.write(offset, size, value, &signals);
                if action == Action::Ready {
                    prop_assert!(registers.is_ready());
                    prop_assert!(accepts(CARD.features(), registers.features()));
                }
            }
        }
        prop_assert_eq!(registers.write(0x70, 4, 0, &signals), Action::Reset);
        prop_assert_eq!(registers.read(0x70, 4, &signals), 0);
    }
}
