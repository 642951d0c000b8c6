//! QEMU's log of executed blocks of instructions (`-d exec,nochain`), read while QEMU writes it.

use std::io::{self, BufRead, BufReader, Read};

/// A line of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A CPU begins to execute a block at this address, of at most this number of instructions
    /// unless that is 0.
    Block {
        /// The number of the CPU.
        cpu: usize,
        /// The address of the first instruction.
        address: u64,
        /// The greatest number of instructions, or 0.
        most: u64,
    },
    /// The last block was not executed.
    Stopped,
    /// The last block ended before the instruction at this address, which accesses a device.
    Rewound(u64),
}

/// The bits of a block's flags that limit its number of instructions.
const MOST: u64 = 0x1ff;

/// Calls `take` with each event of a log. Other lines, such as QEMU's own messages, are skipped.
pub fn read(log: impl Read, mut take: impl FnMut(Event)) -> io::Result<()> {
    let mut log = BufReader::with_capacity(1 << 16, log);
    let mut line = Vec::new();
    loop {
        line.clear();
        if log.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if let Some(event) = parse(&line) {
            take(event);
        }
    }
}

/// Parses a line.
pub fn parse(line: &[u8]) -> Option<Event> {
    if let Some(rest) = line.strip_prefix(b"Trace ") {
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let cpu = number(&rest[..colon], 10)? as usize;
        let bracket = rest.iter().position(|byte| *byte == b'[')?;
        let end = rest.iter().rposition(|byte| *byte == b']')?;
        let mut fields = rest.get(bracket + 1..end)?.split(|byte| *byte == b'/');
        let address = number(fields.nth(1)?, 16)?;
        let most = number(fields.nth(1)?, 16)? & MOST;
        return Some(Event::Block { cpu, address, most });
    }
    if line.starts_with(b"Stopped execution") {
        return Some(Event::Stopped);
    }
    let rest = line.strip_prefix(b"cpu_io_recompile: rewound execution of TB to ")?;
    Some(Event::Rewound(number(rest.trim_ascii_end(), 16)?))
}

/// Parses digits.
fn number(digits: &[u8], base: u32) -> Option<u64> {
    let digit = |value: u64, byte: &u8| {
        let digit = char::from(*byte).to_digit(base)?;
        Some(value * u64::from(base) + u64::from(digit))
    };
    digits.iter().try_fold(0, digit)
}
