//! The driver of UARTs that are not plain, a wing: the copy of the library's driver that has registers
//! of 8 and 16 bits, commands and latches.

use bulkhead::util::uart::Uart;

use crate::el2::drivers::mmio::AnyRegister;

/// See [`MachineUart::flush`](super::MachineUart::flush).
#[inline(never)]
pub fn flush(uart: &Uart<AnyRegister>) {
    uart.flush();
}

/// See [`MachineUart::receive`](super::MachineUart::receive).
#[inline(never)]
pub fn receive(uart: &Uart<AnyRegister>) -> Option<u8> {
    uart.receive()
}

/// See [`MachineUart::set_interrupts`](super::MachineUart::set_interrupts).
#[inline(never)]
pub fn set_interrupts(uart: &Uart<AnyRegister>, receive: bool, transmit: bool) {
    uart.set_interrupts(receive, transmit);
}

/// Returns for how many bytes there is room.
#[inline(never)]
pub fn room(uart: &Uart<AnyRegister>) -> usize {
    uart.room()
}

/// Sends a byte, for which there must be room.
#[inline(never)]
pub fn put(uart: &Uart<AnyRegister>, byte: u8) {
    uart.put(byte);
}
