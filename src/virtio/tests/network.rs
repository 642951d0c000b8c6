//! Networks.

use super::machine::Machine;
use crate::virtio::link::{Counters, Kind};
use crate::virtio::personality::{
    NET_GUEST_CSUM, NET_GUEST_TSO4, NET_GUEST_TSO6, NET_MRG_RXBUF, TRANSMIT,
};
use crate::virtio::{DESCRIPTORS_PER_CALL, EVENT_IDX, INDIRECT_DESC, VERSION_1};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

pub const ALL: u64 = NET_GUEST_CSUM
    | NET_GUEST_TSO4
    | NET_GUEST_TSO6
    | NET_MRG_RXBUF
    | EVENT_IDX
    | INDIRECT_DESC
    | VERSION_1;

/// The MAC address of a port, as the engine has it.
pub fn mac(port: u64) -> u64 {
    2 | port << 40
}

/// A frame with its header, for the port with an address.
pub fn frame(size: usize, destination: u64, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; 12];
    bytes.extend(&destination.to_le_bytes()[..6]);
    bytes.extend((0..size - 6).map(|it| (it as u8).wrapping_mul(7).wrapping_add(seed)));
    bytes
}

/// Joins the buffers of the next frame, and checks their number.
pub fn next_frame(received: &mut VecDeque<Vec<u8>>, is_mergeable: bool) -> Option<Vec<u8>> {
    let mut whole = received.pop_front()?;
    let count = u16::from_le_bytes([whole[10], whole[11]]);
    assert!(count == 1 || is_mergeable);
    for _ in 1..count {
        whole.extend(received.pop_front().expect("all buffers of a frame come at once"));
    }
    (whole[10], whole[11]) = (0, 0);
    Some(whole)
}

pub fn pair(features: [u64; 2]) -> Machine {
    Machine::new(Kind::Network, &[(mac(0), features[0]), (mac(1), features[1])], 64)
}

#[test]
fn a_frame_arrives_and_both_are_told() {
    let mut machine = pair([ALL; 2]);
    machine.cards[1].post(&[2048], false);
    let sent = frame(60, mac(1), 3);
    machine.cards[0].send(&sent, 12, 2048, false);
    machine.notify_if_needed(0);
    assert_eq!(next_frame(&mut machine.cards[1].received, true), Some(sent));
    assert_eq!((machine.cards[0].unsent(), machine.calls, machine.broken), (0, 1, 0));
}

#[test]
fn a_large_frame_is_spread_over_buffers_and_their_number_is_told() {
    let mut machine = pair([ALL; 2]);
    for _ in 0..50 {
        machine.cards[1].post(&[1536], false);
    }
    let mut sent = frame(65535 + 14, mac(1), 9);
    (sent[0], sent[1]) = (1, 1);
    machine.cards[0].send(&sent, 200, 4096, true);
    machine.notify_if_needed(0);
    assert_eq!(machine.cards[1].received.len(), sent.len().div_ceil(1536));
    assert_eq!(next_frame(&mut machine.cards[1].received, true), Some(sent));
}

#[test]
fn a_frame_waits_for_buffers_and_is_pulled_by_the_receiver() {
    for features in [ALL, ALL & !EVENT_IDX] {
        let mut machine = pair([features; 2]);
        machine.cards[1].post(&[100], false);
        let sent = frame(250, mac(1), 1);
        machine.cards[0].send(&sent, 262, 4096, false);
        machine.notify_if_needed(0);
        assert_eq!((machine.cards[0].unsent(), machine.cards[1].received.len()), (1, 0));
        machine.cards[1].post(&[100], false);
        machine.notify_if_needed(1);
        assert_eq!(machine.cards[0].unsent(), 1, "one buffer is still missing");
        machine.cards[1].post(&[100], false);
        machine.notify_if_needed(1);
        assert_eq!(machine.cards[0].unsent(), 0);
        assert_eq!(next_frame(&mut machine.cards[1].received, true), Some(sent));
    }
}

#[test]
fn a_frame_that_the_receiver_cannot_take_is_dropped_and_the_next_arrives() {
    let without = EVENT_IDX | VERSION_1;
    let tso = |kind| {
        let mut frame = frame(3000, mac(1), 5);
        frame[1] = kind;
        frame
    };
    let mut partial = frame(60, mac(1), 5);
    partial[0] = 1;
    let too_long = frame(70_000, mac(1), 6);
    for (features, dropped) in [
        (without, tso(1)),
        (without, partial),
        (ALL & !NET_GUEST_TSO6, tso(4)),
        (ALL, tso(3)),
        (ALL, too_long),
        (ALL, vec![0; 25]),
        // Larger than its one buffer.
        (without, frame(2048, mac(1), 5)),
    ] {
        let mut machine = pair([ALL, features]);
        for _ in 0..8 {
            machine.cards[1].post(&[2048], false);
        }
        let kept = frame(64, mac(1), 7);
        machine.cards[0].send(&dropped, 12, 4096, true);
        machine.cards[0].send(&kept, 12, 4096, true);
        machine.notify_if_needed(0);
        assert_eq!(next_frame(&mut machine.cards[1].received, true), Some(kept));
        assert!(machine.cards[1].received.is_empty());
        assert_eq!((machine.cards[0].unsent(), machine.broken), (0, 0));
    }
}

#[test]
fn a_frame_for_a_receiver_that_is_gone_is_dropped() {
    let mut machine = pair([ALL; 2]);
    machine.lanes[0].detach(1);
    machine.cards[0].send(&frame(60, mac(1), 1), 12, 4096, false);
    machine.notify_if_needed(0);
    machine.cards[0].interrupt();
    assert_eq!(machine.cards[0].unsent(), 0);
    assert_eq!(machine.counters(0), Counters { packets: 1, bytes: 60, drops: 0 });
    assert_eq!(machine.counters(1), Counters { packets: 0, bytes: 0, drops: 1 });
}

#[test]
fn what_waits_for_a_receiver_that_goes_is_dropped() {
    let mut machine = pair([ALL; 2]);
    machine.cards[0].send(&frame(60, mac(1), 1), 12, 4096, false);
    machine.notify_if_needed(0);
    assert_eq!(machine.cards[0].unsent(), 1);
    let waiting = machine.lanes[0].detach(1);
    assert_eq!(waiting, 1);
    let outcome = machine.lanes[0].run(waiting, &machine.ports);
    assert_eq!((outcome.more, outcome.signal), (0, 1));
    machine.cards[0].interrupt();
    assert_eq!(machine.cards[0].unsent(), 0);
}

#[test]
fn one_call_moves_a_bounded_number_of_bytes() {
    let mut machine = pair([ALL; 2]);
    for _ in 0..64 {
        machine.cards[1].post(&[20_000], false);
    }
    for _ in 0..16 {
        machine.cards[0].send(&frame(16_000, mac(1), 2), 12, 20_000, true);
    }
    let mut calls = Vec::new();
    let mut senders = machine.lanes[0].concerned(0, TRANSMIT);
    while senders != 0 {
        senders = machine.lanes[0].run(senders, &machine.ports).more;
        machine.cards[1].interrupt();
        calls.push(machine.cards[1].received.drain(..).count());
    }
    assert_eq!(calls, [4, 4, 4, 4]);
}

fn network_of(ports: u64) -> Machine {
    let ports: Vec<_> = (0..ports).map(|port| (mac(port), ALL)).collect();
    Machine::new(Kind::Network, &ports, 64)
}

#[test]
fn a_network_of_many_ports_delivers_by_address_and_to_groups() {
    let mut machine = network_of(5);
    for card in &mut machine.cards {
        (0..4).for_each(|_| card.post(&[2048], false));
    }
    let to_three = frame(100, mac(3), 1);
    let to_all = frame(100, 0xffff_ffff_ffff, 2);
    let to_nobody = frame(100, mac(9), 3);
    let to_itself = frame(100, mac(0), 3);
    for frame in [&to_three, &to_all, &to_nobody, &to_itself] {
        // The destination is divided between two segments.
        machine.cards[0].send(frame, 15, 4096, false);
    }
    machine.notify_if_needed(0);
    assert_eq!(machine.cards[0].unsent(), 0);
    for (port, card) in machine.cards.iter_mut().enumerate() {
        let expected: &[_] = match port {
            0 => &[],
            3 => &[&to_three, &to_all],
            _ => &[&to_all],
        };
        for &frame in expected {
            assert_eq!(next_frame(&mut card.received, true).as_ref(), Some(frame));
        }
        assert!(card.received.is_empty());
    }
}

#[test]
fn a_port_without_buffers_does_not_hold_up_the_others() {
    let mut machine = network_of(3);
    machine.cards[2].post(&[2048], false);
    machine.cards[0].send(&frame(100, mac(1), 1), 12, 4096, false);
    let kept = frame(100, mac(2), 2);
    machine.cards[0].send(&kept, 12, 4096, false);
    machine.notify_if_needed(0);
    assert_eq!(machine.cards[0].unsent(), 0);
    assert_eq!(next_frame(&mut machine.cards[2].received, true), Some(kept));
    assert_eq!(machine.counters(1).drops, 1);
}

#[test]
fn a_large_broadcast_is_delivered_once_to_each_over_several_calls() {
    let mut machine = network_of(6);
    for card in &mut machine.cards {
        (0..2).for_each(|_| card.post(&[40_000], false));
    }
    let sent = frame(30_000, 0xffff_ffff_ffff, 2);
    machine.cards[0].send(&sent, 12, 20_000, false);
    machine.notify_if_needed(0);
    assert!(machine.calls > 2);
    for card in &mut machine.cards[1..] {
        assert_eq!(next_frame(&mut card.received, true).as_ref(), Some(&sent));
        assert!(card.received.is_empty());
    }
}

#[test]
fn one_call_makes_a_bounded_number_of_attempts() {
    let mut machine = network_of(20);
    for _ in 0..64 {
        machine.cards[0].send(&frame(60, 0xffff_ffff_ffff, 2), 12, 4096, true);
    }
    let drops =
        |machine: &Machine| -> u64 { (1..20).map(|port| machine.counters(port).drops).sum() };
    assert_eq!(machine.lanes[0].run(1, &machine.ports).more, 1);
    assert_eq!(drops(&machine), DESCRIPTORS_PER_CALL.into());
    machine.notify(0, TRANSMIT);
    assert_eq!((drops(&machine), machine.broken), (64 * 19, 0));
}

#[test]
fn one_call_moves_a_bounded_number_of_small_frames() {
    // In one part; in three, which is the long way; and for nobody.
    for (first, is_there) in [(60, true), (12, true), (60, false)] {
        let mut machine = Machine::new(Kind::Network, &[(mac(0), ALL), (mac(1), ALL)], 256);
        for _ in 0..128 {
            machine.cards[1].post(&[1536], false);
            machine.cards[0].send(&frame(48, mac(1), 3), first, 24, first == 12);
        }
        if !is_there {
            machine.lanes[0].detach(1);
        }
        assert_eq!(machine.lanes[0].run(1, &machine.ports).more, 1);
        machine.cards[0].interrupt();
        let sent = 128 - machine.cards[0].unsent();
        assert!((42..=64).contains(&sent), "{sent} frames");
    }
}

#[test]
fn a_sender_that_floods_leaves_the_others_their_turn() {
    let mut machine = network_of(3);
    for _ in 0..32 {
        machine.cards[2].post(&[40_000], false);
    }
    for _ in 0..16 {
        machine.cards[0].send(&frame(30_000, mac(2), 0), 12, 32_000, true);
    }
    machine.cards[1].send(&frame(30_000, mac(2), 1), 12, 32_000, true);
    let mut senders = 3;
    for _ in 0..2 {
        senders = machine.lanes[0].run(senders, &machine.ports).more;
    }
    assert_eq!(senders & 1, 1, "the first has more to send");
    machine.cards[2].interrupt();
    let has_second = machine.cards[2].received.iter().any(|it| it[18] == 1);
    assert!(has_second, "the second had its turn");
}

/// A step of one of two drivers.
#[derive(Clone, Debug)]
enum Action {
    Send { size: usize, first: usize, part: usize, is_indirect: bool, kind: u8 },
    Post { parts: Vec<u32>, is_indirect: bool, count: usize },
    Notify,
    Interrupt,
}

fn action() -> impl Strategy<Value = (usize, Action)> {
    let size = prop_oneof![14..100_usize, 1400..1600_usize, 14..9000_usize];
    let send = (size, 0..40_usize, 100..5000_usize, any::<bool>(), 0..3_usize);
    let send = send.prop_map(|(size, first, part, is_indirect, kind)| Action::Send {
        size,
        first,
        part,
        is_indirect,
        kind: [0, 1, 4][kind],
    });
    let parts = prop_oneof![
        Just(vec![1536]),
        Just(vec![12, 1524]),
        Just(vec![12, 4096, 4096, 4096]),
        Just(vec![4096]),
        Just(vec![40, 0, 80])
    ];
    let post = (parts, any::<bool>(), 1..6_usize);
    let post =
        post.prop_map(|(parts, is_indirect, count)| Action::Post { parts, is_indirect, count });
    let action = prop_oneof![
        6 => send,
        5 => post,
        5 => Just(Action::Notify),
        1 => Just(Action::Interrupt)
    ];
    (0..2_usize, action)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..Default::default() })]

    /// Drivers that sleep until they are interrupted, and notify only when they must.
    #[test]
    fn every_frame_arrives_once_in_order_and_no_wake_up_is_lost(
        features in [0..8_u64, 0..8_u64],
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let options = |it: u64| {
            let optional = [NET_MRG_RXBUF, EVENT_IDX, INDIRECT_DESC];
            let picked = (0..).zip(optional).filter(|(bit, _)| it >> bit & 1 != 0);
            picked.fold(ALL & !(NET_MRG_RXBUF | EVENT_IDX | INDIRECT_DESC), |all, it| all | it.1)
        };
        let features = features.map(options);
        let mut machine = pair(features);
        let mut expected = [VecDeque::new(), VecDeque::new()];
        let is_mergeable = |port: usize| features[port] & NET_MRG_RXBUF != 0;
        let is_indirect = |port: usize| features[port] & INDIRECT_DESC != 0;
        let mut seed = 0_u8;
        for (port, action) in actions {
            match action {
                Action::Send { size, first, part, is_indirect: indirect, kind } => {
                    let size = if is_mergeable(1 - port) { size } else { size.min(1524) };
                    let part = part.max(size / 12);
                    if machine.cards[port].tx.room() < 16 {
                        continue;
                    }
                    seed = seed.wrapping_add(1);
                    let mut bytes = frame(size, mac(1 - port as u64), seed);
                    (bytes[0], bytes[1]) = (1, kind);
                    let indirect = indirect && is_indirect(port);
                    machine.cards[port].send(&bytes, first, part, indirect);
                    expected[1 - port].push_back(bytes);
                }
                Action::Post { parts, is_indirect: indirect, count } => {
                    let is_small = parts.iter().sum::<u32>() < 1536;
                    // The first part holds the header; one buffer holds a frame if it must.
                    if is_small && !is_mergeable(port) {
                        continue;
                    }
                    for _ in 0..count {
                        if machine.cards[port].rx.room() >= parts.len() {
                            machine.cards[port].post(&parts, indirect && is_indirect(port));
                        }
                    }
                }
                Action::Notify => machine.notify_if_needed(port),
                Action::Interrupt => machine.cards[port].interrupt(),
            }
        }
        for _ in 0..400 {
            for port in 0..2 {
                while machine.cards[port].rx.room() > 0 {
                    machine.cards[port].post(&[4096], false);
                }
                machine.notify_if_needed(port);
            }
        }
        prop_assert_eq!(machine.broken, 0);
        for (port, expected) in expected.iter_mut().enumerate() {
            while let Some(expected) = expected.pop_front() {
                let received = next_frame(&mut machine.cards[port].received, is_mergeable(port));
                prop_assert_eq!(received, Some(expected));
            }
            prop_assert!(machine.cards[port].received.is_empty());
        }
    }
}
