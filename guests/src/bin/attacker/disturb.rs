//! Disturbances: each does one thing and no other, most without an end of its own, beside a
//! guest that is not to notice it. `only=NAME` on the command line selects one.

use runtime::tree::machine;
use runtime::{exceptions, fail, mmu, pl011, print, println, psci, secondary, timer};

use crate::context::count;
use crate::{bells, links, race};

/// The disturbances, by their names on the command line.
const DISTURBANCES: [(&str, fn()); 7] = [
    ("flood", flood),
    ("faults", faults),
    ("controls", controls),
    ("race", race::start),
    ("links", links::attack),
    ("rings", links::start_with_wrong_rings),
    ("bells", bells::attack),
];

/// The number of faults in each of the lives of `faults`.
const FAULTS: u32 = 64;

/// Sequences that act on a terminal: ECMA-48, and what older terminals understand.
const SEQUENCES: [&[u8]; 18] = [
    // Cursor up and erase the line, which would replace a line of another partition.
    b"\x1b[2A\x1b[2K\r[bulkhead] forged\x1b[2B",
    // Status, position and identity, which a terminal answers as if the answer were typed.
    b"\x1b[5n\x1b[6n\x1b[c\x1bZ\x05",
    // Reset, alternate screen, scrolling region, erase the display, hide the text.
    b"\x1bc",
    b"\x1b[?1049h\x1b[?25l",
    b"\x1b[1;1r\x1b[H\x1b[2J",
    b"\x1b[8m\x1b[31mred",
    // The title, the clipboard, and a device control string, each ended by BEL or ST.
    b"\x1b]0;title\x07",
    b"\x1b]52;c;Zm9yZ2Vk\x1b\\",
    b"\x1bP$q\"p\x1b\\",
    b"\x1b_string\x1b\\\x1b^string\x1b\\\x1bXstring\x1b\\",
    // Sequences that end early, that are too long, and that have bytes between.
    b"\x1b",
    b"\x1b[",
    b"\x1b[31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31;31A",
    b"\x1b[3\x08\x1b[2\x7f\x1b[>4;1m\x1b[?1m\x1b[1 m",
    // CSI, OSC and DCS as single bytes, and as characters of UTF-8.
    b"\x9b2A\x9b2K\x9d0;title\x9c\x90q\x9c",
    b"\xc2\x9b2A\xc2\x9b2K\xc2\x9d0;title\xc2\x9c",
    // UTF-8 that is not well-formed: too long, cut off, a surrogate, beyond the last character.
    b"\xc0\x9b\xe0\x82\x9b\xed\xa0\x80\xf4\x90\x80\x80\xf8\xe2\x82",
    // Shifts to other character sets, and other controls.
    b"\x0e\x0f\x1b(0\x1b)0\x1bn\x08\x0b\x0c\x00\x7f\x18\x1a",
];

/// Carries out the disturbance of this name.
pub fn run(name: &str) {
    match DISTURBANCES.iter().find(|disturbance| disturbance.0 == name) {
        Some((_, disturbance)) => disturbance(),
        None => fail!("only={name} is unknown"),
    }
}

/// Stores line ends into the UART on all CPUs, whether it is busy or not. `line=N` has N bytes in
/// each line (1).
fn flood() {
    for index in 1..count() {
        if let Err(error) = secondary::start(index, pour) {
            fail!("CPU_ON of CPU {index} returns {error:?}");
        }
    }
    pour(0);
}

fn pour(_: usize) {
    let length = machine().number("line").unwrap_or(1);
    loop {
        for at in 1..=length {
            let byte = if at == length { b'\n' } else { b'x' };
            pl011::write(pl011::DR, byte.into());
        }
    }
}

/// Causes more faults than Bulkhead reports, and resets the partition.
fn faults() {
    for _ in 0..FAULTS {
        // SAFETY: there is nothing at the address.
        if unsafe { exceptions::probe_read(mmu::NOWHERE) }.is_ok() {
            fail!("a read where there is nothing succeeds");
        }
    }
    psci::system_reset()
}

/// Prints control sequences, every byte, and text that is to pass; then the same again for each
/// line that is typed, until that is empty.
fn controls() {
    loop {
        for (index, sequence) in SEQUENCES.iter().enumerate() {
            line(format_args!("sequence {index}"), sequence);
        }
        for byte in (0..=u8::MAX).filter(|byte| *byte != b'\n') {
            line(format_args!("byte {byte}"), &[byte]);
        }
        line(format_args!("text"), "plain ~, Grüße, 漢字, 🦀".as_bytes());
        line(format_args!("tab"), b"\t.");
        println!("attacker: controls are printed");
        if typed_line() == 0 {
            return;
        }
    }
}

fn line(name: core::fmt::Arguments<'_>, bytes: &[u8]) {
    print!("attacker: {name} <");
    bytes.iter().copied().for_each(pl011::put);
    println!("> end");
}

/// Waits for a line, and returns its length.
fn typed_line() -> usize {
    let mut length = 0;
    loop {
        match pl011::get() {
            Some(b'\r' | b'\n') => return length,
            Some(_) => length += 1,
            None => drop(timer::within(1000, || false)),
        }
    }
}
