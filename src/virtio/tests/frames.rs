//! Networks: the forms of frames, bursts of them, and mistakes.

use super::machine::SIZE;
use super::memory::START;
use super::network::{ALL, frame, mac, next_frame, pair};
use crate::virtio::EVENT_IDX;
use crate::virtio::personality::{NET_MRG_RXBUF, TRANSMIT};
use std::vec::Vec;

#[test]
fn a_header_may_be_divided_between_descriptors() {
    for (features, parts, size) in [
        (ALL, &[4, 8, 100][..], 100),
        (ALL & !NET_MRG_RXBUF, &[8, 0, 4, 60, 40], 100),
        // In two buffers, whose number is in the header's third part.
        (ALL, &[8, 2, 2, 80], 100),
        (ALL, &[8, 4, 80], 150),
    ] {
        let mut machine = pair([ALL, features]);
        (0..2).for_each(|_| machine.cards[1].post(parts, true));
        let sent = frame(size, mac(1), 3);
        machine.cards[0].send(&sent, 5, 50, true);
        machine.notify_if_needed(0);
        let is_whole = parts[..2] != [8, 2];
        assert_eq!(machine.broken, if is_whole { 0 } else { 2 }, "a word is in one descriptor");
        let received = next_frame(&mut machine.cards[1].received, true);
        assert_eq!(received, Some(sent).filter(|_| is_whole));
    }
}

/// The address of bytes that are in no memory.
const OUTSIDE: u64 = START + SIZE as u64 - 8;

#[test]
fn a_buffer_outside_breaks_the_one_whose_it_is() {
    // At the short way's two places, and on the long way.
    for parts in [
        &[(OUTSIDE, 72, false)][..],
        &[(START, 12, false), (OUTSIDE, 60, false)],
        &[(START, 12, false), (START, 30, false), (OUTSIDE, 30, false)],
        // An empty one must be in the memory too.
        &[(START, 12, false), (START, 60, false), (0, 0, false)],
    ] {
        let mut machine = pair([ALL; 2]);
        machine.cards[1].post(&[2048], false);
        machine.cards[0].tx.add(parts);
        machine.notify(0, TRANSMIT);
        assert_eq!((machine.broken, machine.cards[1].received.len()), (1, 0), "{parts:x?}");
    }
    for parts in [&[(OUTSIDE, 2048, true)][..], &[(START, 12, true), (OUTSIDE, 60, true)]] {
        let mut machine = pair([ALL; 2]);
        machine.cards[1].rx.add(parts);
        machine.cards[0].send(&frame(60, mac(1), 1), 12, 4096, false);
        machine.notify(0, TRANSMIT);
        assert_eq!((machine.broken, machine.cards[0].unsent()), (2, 0), "{parts:x?}");
        assert!(machine.cards[1].received.is_empty());
    }
}

#[test]
fn what_was_moved_before_a_mistake_is_shown_to_both() {
    let mut machine = pair([ALL; 2]);
    (0..2).for_each(|_| machine.cards[1].post(&[2048], false));
    let sent = frame(60, mac(1), 8);
    machine.cards[0].send(&sent, 12, 4096, false);
    machine.cards[0].tx.add(&[(OUTSIDE, 72, false)]);
    machine.notify(0, TRANSMIT);
    assert_eq!(machine.broken, 1);
    assert_eq!(next_frame(&mut machine.cards[1].received, true), Some(sent));
    assert_eq!(machine.cards[0].tx.take().map(|it| it.1), Some(0));
}

#[test]
fn a_burst_is_moved_by_one_call_and_completed_by_one_index() {
    for features in [ALL, ALL & !EVENT_IDX] {
        let mut machine = pair([features; 2]);
        (0..40).for_each(|_| machine.cards[1].post(&[2048], false));
        let sent: Vec<_> = (0..40).map(|seed| frame(60 + seed, mac(1), seed as u8)).collect();
        // The short way, and the long way for each third frame.
        for (index, frame) in sent.iter().enumerate() {
            machine.cards[0].send(frame, 12, if index % 3 == 0 { 30 } else { 4096 }, true);
        }
        let stores = machine.cards[0].memory.stores.clone();
        stores.set(0);
        let outcome = machine.lanes[0].run(1, &machine.ports);
        assert_eq!((outcome.signal, outcome.more), (3, 0));
        // Each end of the short and the long way shows the index, and asks for a notification.
        assert!(stores.get() <= 4, "{} stores of indices", stores.get());
        machine.cards.iter_mut().for_each(|card| card.interrupt());
        assert_eq!(machine.cards[0].unsent(), 0);
        for frame in sent {
            assert_eq!(next_frame(&mut machine.cards[1].received, true), Some(frame));
        }
    }
}
