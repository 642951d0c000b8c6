//! Consoles and sockets.

use super::machine::Machine;
use crate::virtio::link::{Counters, Kind, send_reset_event};
use crate::virtio::personality::{RECEIVE, TRANSMIT};
use crate::virtio::{EVENT_IDX, INDIRECT_DESC, VERSION_1};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

const ALL: u64 = EVENT_IDX | INDIRECT_DESC | VERSION_1;

fn consoles(features: [u64; 2]) -> Machine {
    Machine::new(Kind::Console, &[(0, features[0]), (0, features[1])], 16)
}

/// The CID of a port is 3 more than the port.
fn sockets(ports: u64) -> Machine {
    let ports: Vec<_> = (3..3 + ports).map(|cid| (cid, ALL)).collect();
    Machine::new(Kind::Socket, &ports, 16)
}

/// A packet whose fields tell each other apart.
fn packet(source: u64, destination: u64, operation: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(source.to_le_bytes());
    bytes.extend(destination.to_le_bytes());
    for word in [1111, 2222, payload.len() as u32, 1 | u32::from(operation) << 16, 0, 5555, 6666] {
        bytes.extend(word.to_le_bytes());
    }
    assert_eq!(bytes.len(), 44);
    bytes.extend(payload);
    bytes
}

#[test]
fn a_line_arrives_at_the_other_console() {
    let mut machine = consoles([ALL; 2]);
    machine.cards[1].post(&[8], false);
    machine.cards[1].post(&[4096], false);
    machine.cards[0].send(b"hello, world", 3, 4, false);
    machine.notify_if_needed(0);
    assert_eq!(machine.cards[1].received, [&b"hello, w"[..], b"orld"]);
    assert_eq!(machine.cards[0].unsent(), 0);
}

#[test]
fn what_a_console_has_no_buffer_for_is_dropped_and_its_sender_goes_on() {
    let mut machine = consoles([ALL; 2]);
    for size in [4, 4] {
        machine.cards[1].post(&[size], false);
    }
    machine.notify_if_needed(1);
    for text in [&b"abc"[..], b"defghij", b"klm"] {
        machine.cards[0].send(text, 2, 4, false);
        machine.notify(0, TRANSMIT);
        assert_eq!(machine.cards[0].unsent(), 0);
    }
    assert_eq!(machine.cards[1].received, [&b"abc"[..], b"defg"]);
    assert_eq!(machine.counters(0), Counters { packets: 3, bytes: 13, drops: 0 });
    assert_eq!(machine.counters(1), Counters { packets: 0, bytes: 0, drops: 2 });
    machine.cards[1].post(&[4], false);
    assert!(!machine.cards[1].rx.must_notify(), "nothing waits for the buffer");
    machine.cards[0].send(b"nop", 2, 4, false);
    machine.notify(0, TRANSMIT);
    assert_eq!(machine.cards[1].received.back().unwrap(), b"nop");
}

#[test]
fn a_packet_is_cut_at_the_receivers_buffers() {
    let mut machine = sockets(2);
    let payload: Vec<u8> = (0..100).collect();
    machine.cards[0].send(&packet(3, 4, 5, &payload), 44, 4096, true);
    machine.notify_if_needed(0);
    assert_eq!(machine.cards[0].unsent(), 1);
    machine.cards[1].post(&[44, 60], false);
    machine.notify_if_needed(1);
    assert_eq!((machine.cards[0].unsent(), machine.cards[1].received.len()), (1, 1));
    machine.cards[1].post(&[104], false);
    machine.notify_if_needed(1);
    assert_eq!(machine.cards[0].unsent(), 0);
    let expected = [packet(3, 4, 5, &payload[..60]), packet(3, 4, 5, &payload[60..])];
    assert_eq!(machine.cards[1].received, expected);
}

#[test]
fn packets_find_their_cid_and_others_are_refused() {
    let mut machine = sockets(3);
    for card in &mut machine.cards {
        (0..4).for_each(|_| card.post(&[4096], false));
    }
    let ours = packet(3, 5, 1, &[]);
    let unknown = packet(3, 2, 1, &[]);
    let forged = packet(4, 5, 1, &[]);
    let late = packet(3, 9, 3, &[]);
    for packet in [&ours, &unknown, &forged, &late] {
        machine.cards[0].send(packet, 44, 4096, false);
    }
    machine.notify_if_needed(0);
    assert_eq!(machine.cards[0].unsent(), 0);
    assert_eq!(machine.counters(0), Counters { packets: 4, bytes: 0, drops: 1 });
    assert_eq!(machine.cards[2].received, [ours]);
    assert!(machine.cards[1].received.is_empty());
    // The ports are exchanged too; there is no answer to RST.
    let mut answer = packet(2, 3, 3, &[]);
    answer[16..24].copy_from_slice(&unknown[16..24]);
    answer[16..24].rotate_left(4);
    answer[36..44].fill(0);
    assert_eq!(machine.cards[0].received, [answer]);
}

#[test]
fn a_port_whose_driver_is_gone_refuses_connections() {
    let mut machine = sockets(2);
    machine.cards[0].post(&[4096], false);
    machine.lanes[0].detach(1);
    machine.cards[0].send(&packet(3, 4, 5, &[1; 9]), 44, 4096, false);
    machine.notify_if_needed(0);
    assert_eq!(machine.cards[0].unsent(), 0);
    let received = &machine.cards[0].received[0];
    assert_eq!((received.len(), received[30]), (44, 3));
}

#[test]
fn an_answer_without_a_buffer_is_dropped() {
    let mut machine = sockets(2);
    machine.cards[0].send(&packet(3, 9, 1, &[]), 44, 4096, false);
    machine.notify_if_needed(0);
    assert_eq!((machine.cards[0].unsent(), machine.broken), (0, 0));
}

#[test]
fn a_wrong_packet_breaks_its_sender_and_a_small_buffer_its_receiver() {
    let mut long = packet(3, 4, 5, &[1; 9]);
    long[24] = 10;
    for (bytes, buffer, broken) in [
        (long, 4096, 1),
        (vec![0; 43], 4096, 1),
        (packet(3, 4, 5, &[1; 9]), 43, 2),
        (packet(3, 4, 5, &[1; 9]), 44, 2),
        (packet(3, 4, 1, &[]), 44, 0),
    ] {
        let mut machine = sockets(2);
        machine.cards[1].post(&[buffer], false);
        machine.cards[0].send(&bytes, 44, 4096, false);
        machine.notify_if_needed(0);
        assert_eq!(machine.broken, broken);
    }
}

#[test]
fn a_driver_is_told_that_its_connections_are_gone() {
    let machine = &mut sockets(1).cards[0];
    let mut events = machine.rx.queue().unwrap();
    assert_eq!(send_reset_event(&mut events, &machine.memory), Ok(false));
    machine.post(&[4], false);
    assert_eq!(send_reset_event(&mut events, &machine.memory), Ok(true));
    machine.interrupt();
    assert_eq!(machine.received, [[0; 4]]);
}

#[test]
fn a_long_write_takes_several_calls() {
    let mut machine = consoles([ALL; 2]);
    (0..4).for_each(|_| machine.cards[1].post(&[100_000], false));
    let bytes: Vec<u8> = (0..150_000_u32).map(|it| (it / 3) as u8).collect();
    machine.cards[0].send(&bytes, 10, 50_000, false);
    machine.notify_if_needed(0);
    assert_eq!(machine.calls, 3);
    assert_eq!(machine.cards[1].received.make_contiguous().concat(), bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..Default::default() })]

    /// Packets of sockets wait for buffers.
    #[test]
    fn every_byte_arrives_once_in_order_and_no_wake_up_is_lost(
        features in [0..4_u64, 0..4_u64],
        steps in prop::collection::vec((0..2_usize, 0..3, 1..600_usize, any::<bool>()), 1..100),
    ) {
        let features = features.map(|it| VERSION_1 | it << 28);
        let mut machine =
            Machine::new(Kind::Socket, &[(3, features[0]), (4, features[1])], 16);
        let mut expected: [Vec<u8>; 2] = Default::default();
        let mut next = 0_u8;
        for (port, step, size, indirect) in steps {
            let indirect = indirect && features[port] & INDIRECT_DESC != 0;
            let card = &mut machine.cards[port];
            match step {
                0 if card.tx.room() >= 8 => {
                    let payload: Vec<u8> = (0..size).map(|it| next.wrapping_add(it as u8)).collect();
                    next = next.wrapping_add(71);
                    expected[1 - port].extend(&payload);
                    let (from, to) = (3 + port as u64, 4 - port as u64);
                    card.send(&packet(from, to, 5, &payload), size % 50, 100, indirect);
                }
                1 if card.rx.room() >= 2 => {
                    card.post(&[44, size as u32], indirect);
                }
                _ => machine.notify_if_needed(port),
            }
        }
        for _ in 0..200 {
            for port in 0..2 {
                while machine.cards[port].rx.room() > 0 {
                    machine.cards[port].post(&[1000], false);
                }
                machine.notify_if_needed(port);
            }
        }
        prop_assert_eq!(machine.broken, 0);
        for (card, expected) in machine.cards.iter().zip(&expected) {
            let mut received: Vec<u8> = Vec::new();
            for piece in &card.received {
                received.extend(&piece[44..]);
                prop_assert!(piece[24..28] == (piece.len() as u32 - 44).to_le_bytes());
            }
            prop_assert_eq!(&received, expected);
        }
    }

    /// Consoles fill the buffers that are there with each write, drop the rest, and never wait.
    #[test]
    fn a_console_takes_exactly_what_there_are_buffers_for(
        features in [0..4_u64, 0..4_u64],
        steps in prop::collection::vec((0..2_usize, any::<bool>(), 1..600_usize), 1..100),
    ) {
        let features = features.map(|it| VERSION_1 | it << 28);
        let mut machine = consoles(features);
        let mut buffers: [VecDeque<usize>; 2] = Default::default();
        let mut expected: [Vec<Vec<u8>>; 2] = Default::default();
        let mut drops = [0; 2];
        for (port, sends, size) in steps {
            let card = &mut machine.cards[port];
            if !sends {
                if card.rx.room() >= 2 {
                    card.post(&[7, size as u32], false);
                    buffers[port].push_back(7 + size);
                }
                machine.notify_if_needed(port);
                continue;
            }
            let text: Vec<u8> = (0..size).map(|it| (it + port) as u8).collect();
            card.send(&text, size % 50, 100, false);
            machine.notify_if_needed(port);
            prop_assert_eq!(machine.cards[port].unsent(), 0);
            let (to, mut rest) = (1 - port, &text[..]);
            while let Some(buffer) = buffers[to].pop_front_if(|_| !rest.is_empty()) {
                let (piece, left) = rest.split_at(buffer.min(rest.len()));
                expected[to].push(piece.into());
                rest = left;
            }
            drops[to] += u64::from(!rest.is_empty());
        }
        for port in 0..2 {
            machine.cards[port].interrupt();
            prop_assert_eq!(&machine.cards[port].received, &expected[port]);
            prop_assert_eq!(machine.counters(port as u8).drops, drops[port]);
        }
    }
}

#[test]
fn a_notification_concerns_the_lane_that_has_the_queue() {
    let two = consoles([ALL; 2]);
    let concerned = |lane: usize, port, queue| two.lanes[lane].concerned(port, queue);
    assert_eq!([concerned(0, 0, TRANSMIT), concerned(0, 1, RECEIVE)], [1, 1]);
    assert_eq!([concerned(1, 1, TRANSMIT), concerned(1, 0, RECEIVE)], [2, 2]);
    assert_eq!([concerned(0, 1, TRANSMIT), concerned(0, 0, RECEIVE), concerned(0, 0, 7)], [0; 3]);
    let sockets = sockets(3);
    assert_eq!(sockets.lanes[0].concerned(1, RECEIVE), 5);
}
