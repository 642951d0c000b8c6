//! The same image on QEMU's `ast2700a1-evb`, whose UART is a 16550 without an interrupt at the GIC,
//! and whose memory begins at 16 GiB. No firmware starts other CPUs than the first.

use common::{Machine, Partition, source};

/// The registers of the 16550 are accessed by bytes, which is code that stays for such ones only, or
/// by words of 32 bits. QEMU's has both.
#[test]
fn guest_with_a_16550_as_the_console() {
    for (width, left_out) in [(1, ""), (4, ", uart")] {
        let guest = Partition::new("guest", "hello");
        let outcome = Machine::ast2700(&source(&[guest]), width).boot();
        outcome
            .expect_success()
            .expect_line("bulkhead", "console     /serial@14c33b00, by all CPUs")
            .expect_line(
                "bulkhead",
                &format!("(monitor, entropy, links, pcie, dma{left_out} left out)"),
            )
            .expect_line("guest", "hello: done, ticks=10");
        outcome.expect_no_line("remark");
    }
}
