//! Fuzzes the emulated PL011 with accesses, input and output in any order. A step has 4 bytes: the
//! action and the low bits of the offset, the other bits of the offset, and a value of 16 bits.

#![no_main]

use bulkhead::devices::pl011::Pl011;
use bulkhead::devices::{Device, Env, Offset, Peer};
use bulkhead::util::ring::Full;
use libfuzzer_sys::fuzz_target;

/// A peer that refuses one byte value, and has some bytes for the UART.
struct Picky {
    refused: u8,
    bytes: u8,
}

impl Peer for Picky {
    fn put(&mut self, byte: u8) -> Result<(), Full> {
        if byte == self.refused { Err(Full) } else { Ok(()) }
    }

    fn take(&mut self) -> Option<u8> {
        self.bytes = self.bytes.checked_sub(1)?;
        Some(self.bytes)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut uart = Pl011::default();
    for step in bytes.chunks_exact(4) {
        let offset = u64::from(step[1]) << 4 & 0xff0 | u64::from(step[0] >> 4);
        let value = u64::from(step[2]) | u64::from(step[3]) << 8;
        let mut peer = Picky { refused: step[2], bytes: step[3] };
        let mut env = Env { now: 0, peer: &mut peer };
        match step[0] & 0xf {
            0..4 => assert_eq!(uart.read(offset) >> 32, 0),
            4 => assert_eq!(Device::read(&mut uart, Offset::new(offset), &mut env) >> 32, 0),
            5..9 => uart.write(offset, value),
            9 => Device::write(&mut uart, Offset::new(offset), value, &mut env),
            10 => uart.poll(&mut env),
            11 => uart.reset(),
            12 => _ = uart.receive(step[2]),
            13 => uart.transmit(&mut |_| Ok(())),
            14 => uart.transmit(&mut |byte| if byte == step[2] { Err(Full) } else { Ok(()) }),
            _ => assert_eq!(uart.line(), uart.read(0x40) != 0),
        }
    }
});
