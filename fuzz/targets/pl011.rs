//! The emulated UART: accesses, input and output in any order. Each step has 4 bytes: what, where,
//! and a value.

#![no_main]

use bulkhead::devices::pl011::Pl011;
use bulkhead::util::ring::Full;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut uart = Pl011::default();
    for step in bytes.chunks_exact(4) {
        let offset = u64::from(step[1]) << 4 & 0xff0 | u64::from(step[0] >> 4);
        let value = u64::from(step[2]) | u64::from(step[3]) << 8;
        match step[0] & 0xf {
            0..6 => assert_eq!(uart.read(offset) >> 32, 0),
            6..12 => uart.write(offset, value),
            12 => _ = uart.receive(step[2]),
            13 => uart.transmit(&mut |_| Ok(())),
            14 => uart.transmit(&mut |byte| if byte == step[2] { Err(Full) } else { Ok(()) }),
            _ => _ = (uart.is_busy(), uart.interrupt_line()),
        }
    }
});
