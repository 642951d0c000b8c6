//! What is counted for ports.

use super::network::{ALL, frame, mac, pair};
use crate::virtio::link::Counters;

/// The first two frames take the short way, the third one the long way, because of its parts.
#[test]
fn frames_and_their_bytes_are_counted_and_so_is_what_is_copied() {
    let mut machine = pair([ALL; 2]);
    (0..4).for_each(|_| machine.cards[1].post(&[2048], false));
    for (size, part) in [(60, 2048), (1500, 2048), (100, 10)] {
        machine.cards[0].send(&frame(size, mac(1), 1), 12, part, false);
    }
    let outcome = machine.lanes[0].run(1, &machine.ports);
    assert_eq!(outcome.copied, 60 + 1500 + 100 + 3 * 12);
    assert_eq!(machine.counters(0), Counters { packets: 3, bytes: 1660, drops: 0 });
    assert_eq!(machine.counters(1), Counters::default());
    machine.cards[0].send(&frame(70, mac(1), 1), 12, 2048, false);
    let outcome = machine.lanes[0].run(1, &machine.ports);
    assert_eq!((outcome.copied, machine.counters(0).bytes), (70 + 12, 1730));
}
