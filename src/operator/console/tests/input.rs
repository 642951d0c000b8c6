//! Tests of the input.

use crate::operator::console::input::*;
use alloc::vec::Vec;
use proptest::prelude::*;
use std::vec;

const PATIENCE: u64 = 1000;
const NAMES: [&str; 3] = ["linux", "sensor", "log"];

fn input() -> Input {
    Input::new(NAMES.len(), PATIENCE)
}

/// Types bytes, and changes the view as requested.
fn type_bytes(input: &mut Input, bytes: &[u8], now: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for &byte in bytes {
        let event = input.read(byte, now, NAMES.into_iter());
        if let Event::Show(view) = event {
            input.show(view);
        }
        events.extend(Some(event).filter(|event| *event != Event::Taken));
    }
    events
}

/// Takes bytes from a partition's buffer, as its guest does, and has the input look at that.
fn read(input: &mut Input, partition: usize, most: usize, now: u64) -> Vec<u8> {
    let buffer = input.buffer(partition);
    let bytes = core::iter::from_fn(|| buffer.pop()).take(most).collect();
    if input.is_due(now) {
        input.tick(now);
    }
    bytes
}

/// Returns a bit for each partition for which input waits.
fn waiting(input: &Input) -> u32 {
    (0..NAMES.len()).map(|index| u32::from(!input.buffer(index).is_empty()) << index).sum()
}

#[test]
fn input_goes_to_the_partition_or_monitor_that_has_it() {
    let mut input = input();
    let events = type_bytes(&mut input, b"a\x1d2b\x1d\x1dc\x1d0d\x1dle\x1dlf\x1dx\x1d4\x1d?g", 0);
    assert_eq!(
        events,
        [
            Event::Show(View::Partition(1)),
            Event::Show(View::Monitor),
            Event::Monitor(b'c'),
            Event::Show(View::Shared),
            Event::Show(View::Partition(0)),
            Event::Show(View::Partition(2)),
            Event::Choices,
            Event::Choices,
            Event::Choices,
        ]
    );
    assert_eq!(waiting(&input), 0b111);
    assert_eq!(
        [0, 1, 2].map(|index| read(&mut input, index, 99, 0)),
        [b"ade".to_vec(), b"b".to_vec(), b"fg".to_vec()]
    );
    assert_eq!((waiting(&input), input.view()), (0, View::Partition(2)));
}

#[test]
fn bytes_without_room_wait_in_the_uart() {
    let mut input = input();
    type_bytes(&mut input, &[b'x'; AHEAD_BYTES], 7);
    assert_eq!((input.has_room(), input.deadline()), (false, Some(7 + PATIENCE)));
    assert_eq!(read(&mut input, 0, 1, 500), b"x");
    assert!(input.has_room());
    type_bytes(&mut input, b"y", 600);
    input.tick(7 + PATIENCE);
    assert_eq!((input.has_room(), input.deadline()), (false, Some(600 + PATIENCE)));
    let all = read(&mut input, 0, 999, 700);
    assert_eq!((all.len(), all.last()), (AHEAD_BYTES, Some(&b'y')));
    assert_eq!(input.take_dropped(u64::MAX), None);
}

#[test]
fn an_unresponsive_guest_does_not_block_the_escape_key() {
    let mut input = input();
    type_bytes(&mut input, &[b'x'; AHEAD_BYTES], 0);
    input.tick(PATIENCE - 1);
    assert!(!input.has_room());
    input.tick(PATIENCE);
    assert_eq!((input.has_room(), input.deadline()), (true, None));
    type_bytes(&mut input, b"lost", PATIENCE + 5);
    assert_eq!(input.deadline(), Some(2 * PATIENCE + 5));
    assert_eq!(input.take_dropped(2 * PATIENCE + 4), None);
    assert_eq!(input.take_dropped(2 * PATIENCE + 5), Some((0, 4)));
    assert_eq!((input.take_dropped(u64::MAX), input.deadline()), (None, None));
    let events = type_bytes(&mut input, b"\x1ds", 3 * PATIENCE);
    assert_eq!((events, input.has_room()), (vec![Event::Show(View::Partition(1))], true));
    type_bytes(&mut input, b"kept", 3 * PATIENCE);
    assert_eq!(read(&mut input, 1, 99, 3 * PATIENCE), b"kept");
    // Once it reads, its input is kept again.
    type_bytes(&mut input, b"\x1d1", 3 * PATIENCE);
    assert_eq!(read(&mut input, 0, 2, 3 * PATIENCE), b"xx");
    type_bytes(&mut input, b"yz", 3 * PATIENCE);
    assert_eq!((input.has_room(), input.deadline()), (false, Some(4 * PATIENCE)));
}

proptest! {
    #[test]
    fn every_byte_is_read_or_counted_as_dropped(
        steps in prop::collection::vec((0..4_u8, 0..400_usize, 0..2 * PATIENCE), 0..100),
    ) {
        let mut input = input();
        let (mut typed, mut got, mut dropped) = ([0; 3], [0; 3], [0; 3]);
        let mut now = 0;
        for (action, count, time) in steps {
            match action {
                0 => now += time,
                1 => got[count % 3] += read(&mut input, count % 3, count, now).len(),
                2 => {
                    type_bytes(&mut input, &[0x1d, b'1' + (count % 3) as u8], now);
                }
                _ => for _ in 0..count {
                    if input.is_due(now) {
                        input.tick(now);
                    }
                    if !input.has_room() {
                        break;
                    }
                    typed[input.view().reader().unwrap()] += 1;
                    type_bytes(&mut input, b"x", now);
                }
            }
            if let Some((index, count)) = input.take_dropped(now) {
                dropped[index] += count;
            }
            // Time alone makes room.
            if !input.has_room() {
                prop_assert!(input.deadline().is_some_and(|at| at <= now + PATIENCE));
            }
        }
        while let Some((index, count)) = input.take_dropped(u64::MAX) {
            dropped[index] += count;
        }
        for index in 0..3 {
            got[index] += read(&mut input, index, usize::MAX, now).len();
            prop_assert_eq!(typed[index], got[index] + dropped[index]);
        }
    }
}
