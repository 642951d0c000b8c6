//! The queue between a source and the console, on one CPU and on two.

use super::*;
use core::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};
use std::vec::Vec;

#[test]
fn the_console_is_notified_of_bytes_that_it_may_not_find() {
    let buffer = Buffer::default();
    let push = |byte| buffer.push(byte, 7);
    assert_eq!((buffer.pop(), push(b'a'), push(b'b')), (None, Ok(Notify::Later), Ok(Notify::No)));
    assert_eq!((push(b'\n'), buffer.lines(), buffer.len()), (Ok(Notify::Yes), 1, 3));
    for byte in b"ab\n" {
        assert_eq!(buffer.pop(), Some(*byte));
    }
    assert_eq!((buffer.pop(), push(b'c')), (None, Ok(Notify::Later)));
    for _ in 2..LIMIT {
        assert_eq!(push(b'd'), Ok(Notify::No));
    }
    assert_eq!((buffer.has_room(), push(b'e'), buffer.has_room()), (true, Ok(Notify::Yes), false));
    assert_eq!((push(b'f'), buffer.pop(), push(b'f')), (Err(Full), Some(b'c'), Ok(Notify::Yes)));
    assert_eq!((buffer.written(), buffer.lines()), (7, 1));
}

/// Adds a byte by the gate as the vectors do, and returns whether it was open.
fn enter(buffer: &Buffer, byte: u8) -> bool {
    let Some(position) = buffer.gate.hold() else { return false };
    buffer.bytes[position % BUFFER_BYTES].store(byte, Relaxed);
    buffer.gate.release(position);
    true
}

#[test]
fn bytes_that_enter_by_the_gate_are_published_when_it_is_shut() {
    let buffer = Buffer::default();
    assert!(!enter(&buffer, b'x'), "it is shut");
    assert_eq!((buffer.push(b'a', 1), buffer.shut(2)), (Ok(Notify::Later), Notify::No));
    buffer.open();
    assert!(enter(&buffer, b'b') && enter(&buffer, b'c'));
    assert_eq!((buffer.len(), buffer.position(), buffer.written()), (1, 1, 1));
    assert_eq!((buffer.shut(3), buffer.shut(4)), (Notify::No, Notify::No));
    assert_eq!((buffer.len(), buffer.written(), enter(&buffer, b'x')), (3, 3, false));
    assert_eq!([(); 4].map(|()| buffer.pop()), [Some(b'a'), Some(b'b'), Some(b'c'), None]);
    buffer.open();
    assert!(enter(&buffer, b'd'));
    assert_eq!(buffer.pop(), None);
    assert_eq!((buffer.shut(5), buffer.pop()), (Notify::Later, Some(b'd')));
}

#[test]
fn the_gate_is_open_for_a_number_of_bytes_and_never_for_the_last_one_that_fits() {
    let buffer = Buffer::default();
    let enter_all = || (0..LIMIT).take_while(|_| enter(&buffer, b'x')).count();
    let mut total = 0;
    loop {
        buffer.open();
        let count = enter_all();
        assert!(count <= GATE_BYTES);
        buffer.shut(0);
        if count == 0 {
            break;
        }
        total += count;
    }
    assert_eq!((total, buffer.has_room()), (LIMIT - 1, true));
    assert_eq!((buffer.push(b'y', 0), buffer.push(b'z', 0)), (Ok(Notify::Yes), Err(Full)));
}

#[test]
fn nobody_enters_while_another_byte_enters() {
    let buffer = Buffer::default();
    buffer.open();
    let position = buffer.gate.hold();
    assert_eq!((position, buffer.gate.hold()), (Some(0), None));
    buffer.bytes[0].store(b'a', Relaxed);
    thread::scope(|scope| {
        let shut = scope.spawn(|| buffer.shut(0));
        buffer.gate.release(0);
        assert_eq!(shut.join().expect("it ends"), Notify::Later);
    });
    assert_eq!((buffer.pop(), buffer.pop()), (Some(b'a'), None));
}

/// Waits until another thread makes a condition true.
fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "a byte was left in the buffer");
        thread::yield_now();
    }
}

/// Runs both ends on two CPUs: the reader sleeps when it finds the queue empty, until it is
/// notified. The writer stays only a few bytes ahead, so that this happens often.
#[test]
fn no_byte_is_lost_or_left_in_the_buffer() {
    const BYTES: usize = if cfg!(miri) { 1_000 } else { 2_000_000 };
    const TIME: Duration = Duration::from_secs(3);
    let (buffer, end) = (Buffer::default(), AtomicUsize::new(BYTES));
    let notified = AtomicBool::new(false);
    let read = || {
        let mut expected = 0;
        while expected < end.load(SeqCst) {
            match buffer.pop() {
                Some(byte) => {
                    assert_eq!(byte, (expected % 7) as u8);
                    expected += 1;
                }
                None => wait_until(|| notified.swap(false, SeqCst)),
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(read);
        let start = Instant::now();
        for byte in 0..BYTES {
            if byte % 1000 == 0 && start.elapsed() > TIME {
                end.store(byte, SeqCst);
                notified.store(true, SeqCst);
                break;
            }
            if buffer.push((byte % 7) as u8, 0) != Ok(Notify::No) {
                notified.store(true, SeqCst);
            }
            wait_until(|| buffer.len() < 2 + byte % 5);
        }
    });
    assert_eq!(buffer.len(), 0);
}

#[test]
fn words_and_bytes_are_added_at_once_anywhere_in_the_memory() {
    let buffer = Buffer::default();
    let store = |places: &[AtomicU8; 8], word: u64| {
        places.iter().zip(word.to_le_bytes()).for_each(|(place, byte)| place.store(byte, Relaxed));
    };
    let (mut lines, mut first) = (0, true);
    // Up to four words at a time, at every place of the memory.
    for round in 0..700_usize {
        let bytes: Vec<u8> = (0..round % 35).map(|it| b'\n' + (it * round % 97) as u8).collect();
        let (words, rest) = bytes.as_chunks();
        let mut writer = buffer.writer();
        assert_eq!(writer.room(), LIMIT);
        words.iter().for_each(|word| writer.put_word(u64::from_le_bytes(*word), store));
        rest.iter().for_each(|byte| writer.put(*byte));
        assert_eq!(writer.room(), LIMIT - bytes.len());
        assert_eq!(buffer.len(), 0, "nothing is shown yet");
        let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
        let notify = match (bytes.len(), ends) {
            (0, _) => Notify::No,
            (_, 0) => Notify::Later,
            _ => Notify::Yes,
        };
        assert_eq!((writer.has_line(), writer.finish(round as u64)), (ends > 0, notify));
        lines += ends;
        assert_eq!((buffer.lines(), buffer.len()), (lines, bytes.len()));
        first &= std::iter::from_fn(|| buffer.pop()).eq(bytes);
    }
    assert!(first, "the bytes are as they were added");
    let mut writer = buffer.writer();
    (0..LIMIT).for_each(|_| writer.put(b'x'));
    assert_eq!((writer.room(), writer.finish(0)), (0, Notify::Yes), "it is full");
    assert_eq!(buffer.writer().room(), 0);
    assert_eq!(buffer.writer().finish(1), Notify::No);
}
