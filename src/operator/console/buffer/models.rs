//! Models of a source on one CPU and the console on two, at small sizes.

use super::*;
use crate::util::atomic::AtomicBool;
use loom::sync::{Arc, Mutex};
use std::vec::Vec;

/// A source, and the console with its lock and the bytes that it has output.
#[derive(Default)]
struct Machine {
    buffer: Buffer,
    console: Mutex<Vec<u8>>,
    /// Whether the source waits for room.
    waits: AtomicBool,
}

impl Machine {
    /// Outputs everything under the console's lock, as each CPU does that was notified.
    fn pump(&self) {
        let mut output = self.console.lock().unwrap();
        while let Some(byte) = self.buffer.pop() {
            output.push(byte);
        }
    }

    /// Writes bytes, and does the console's work where it must be notified.
    fn write(&self, bytes: core::ops::Range<u8>) {
        for byte in bytes {
            let mut pushed = self.buffer.push(byte, 0);
            while pushed.is_err() {
                self.pump();
                pushed = self.buffer.push(byte, 0);
            }
            if pushed != Ok(Notify::No) {
                self.pump();
            }
        }
    }
}

/// Writes `before` bytes, then `count` more while another CPU outputs, and checks that all
/// come out in order although no CPU looks at the buffer afterwards.
fn check_output(before: u8, count: u8) {
    loom::model(move || {
        let machine = Arc::new(Machine::default());
        for byte in 0..before {
            machine.buffer.push(byte, 0).unwrap();
        }
        let other = machine.clone();
        let other = loom::thread::spawn(move || other.pump());
        machine.write(before..before + count);
        other.join().unwrap();
        let output = machine.console.lock().unwrap();
        assert!(output.iter().copied().eq(0..before + count), "{output:?}");
    });
}

#[test]
fn loom_no_byte_is_lost_or_left_in_the_buffer() {
    check_output(1, 2);
}

/// A vCPU lets a byte in by the gate while another one of its partition shuts it.
#[test]
fn loom_a_byte_enters_before_the_gate_is_shut_or_not_at_all() {
    loom::model(|| {
        let machine = Arc::new(Machine::default());
        machine.buffer.open();
        let other = machine.clone();
        let vcpu = loom::thread::spawn(move || {
            let position = other.buffer.gate.hold();
            if let Some(position) = position {
                other.buffer.bytes[position].store(7, Relaxed);
                other.buffer.gate.release(position);
            }
            position.is_some()
        });
        machine.buffer.shut(0);
        let popped = machine.buffer.pop();
        assert_eq!(popped, vcpu.join().unwrap().then_some(7));
    });
}

#[test]
fn loom_no_byte_is_lost_where_the_buffer_is_full() {
    check_output(BUFFER_BYTES as u8 - 1, 2);
}

#[test]
fn loom_a_source_that_waits_for_room_is_woken() {
    loom::model(|| {
        let machine = Arc::new(Machine::default());
        for byte in 0..BUFFER_BYTES {
            machine.buffer.push(byte as u8, 0).unwrap();
        }
        let other = machine.clone();
        let console = loom::thread::spawn(move || {
            other.buffer.pop();
            other.waits.load(Relaxed)
        });
        machine.waits.store(true, Relaxed);
        let sleeps = !machine.buffer.has_room();
        let is_woken = console.join().unwrap();
        assert!(!sleeps || is_woken);
    });
}

#[test]
fn loom_bytes_that_are_counted_have_their_lines_and_time_counted() {
    loom::model(|| {
        let machine = Arc::new(Machine::default());
        let other = machine.clone();
        let console = loom::thread::spawn(move || {
            let len = other.buffer.len();
            assert!(other.buffer.lines() >= len.saturating_sub(1));
            assert!(other.buffer.written() >= len as u64);
        });
        machine.buffer.push(b'a', 1).unwrap();
        machine.buffer.push(b'\n', 2).unwrap();
        console.join().unwrap();
    });
}
