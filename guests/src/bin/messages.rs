//! Has QEMU's device `edu` (1234:11e8) send messages (MSIs): such as interrupt the guest, and such as
//! must not interrupt anybody.
//!
//! Command line:
//!
//! - `attack`: sends all other numbers, sends to other addresses, and has the device write to the
//!   frame by DMA, after each of which no interrupt of the frame may come.
//! - `wait=N`: sends a message every millisecond for N ms, each of which must come once, and nothing
//!   else.
//! - `end=reset`: resets itself while a message is pending, of which the next life must not see
//!   anything.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use runtime::gic::{self, Interrupt};
use runtime::mmio::{read32, write32, write64};
use runtime::tree::{MessageFrame, machine};
use runtime::{cpu, fail, println, psci, timer};

runtime::guest!(main, interrupt);

/// Registers of the frame.
const TYPER: u64 = 0x008;
const SETSPI: u64 = 0x040;
const IIDR: u64 = 0xfcc;

/// Registers of configuration space.
const COMMAND: u64 = 0x04;
const BAR: u64 = 0x10;
const CAPABILITIES: u64 = 0x34;
const MSI: u32 = 5;
const MSI_ENABLE: u32 = 1 << 16;
const MSI_64: u32 = 1 << 23;

/// Registers of the device (QEMU, docs/specs/edu.rst).
const RAISE: u64 = 0x60;
const ACKNOWLEDGE: u64 = 0x64;
const DMA_SOURCE: u64 = 0x80;
const DMA_DESTINATION: u64 = 0x88;
const DMA_COUNT: u64 = 0x90;
const DMA_COMMAND: u64 = 0x98;
const DMA_START_TO_MEMORY: u64 = 0b11;
const DMA_BUFFER: u64 = 0x4_0000;

/// The time in which a message has come, or does not come any more, in microseconds.
const WHILE_US: u64 = 500;

/// The number of interrupts by their INTIDs.
static TAKEN: [AtomicU32; 1024] = [const { AtomicU32::new(0) }; 1024];

fn main() {
    let Some(frame) = machine().message_frame else { fail!("there is no frame for messages") };
    let MessageFrame { first, count, .. } = frame;
    println!("messages: interrupts {first}-{}", first + count - 1);
    check_frame(frame);
    for intid in 32..288 {
        gic::enable(intid);
    }
    if gic::version() == 2 {
        // The frame of the machine gives each interrupt an edge.
        for intid in first..first + count {
            let register = gic::frame(intid) + gic::ICFGR + u64::from(intid / 16 * 4);
            // SAFETY: a register of the interrupt controller, with interrupts of the guest.
            unsafe { write32(register, read32(register) | 2 << (intid % 16 * 2)) };
        }
    }
    cpu::unmask_interrupts();
    expect_none("the life before with", 0);
    let edu = Edu::enable();
    edu.set(frame.registers + SETSPI, first);
    for intid in first..first + count {
        edu.send(intid);
        expect_one(intid);
    }
    println!("messages: each of its messages has come");
    if machine().argument("attack").is_some() {
        attack(&edu, frame);
    }
    let milliseconds = machine().number("wait").unwrap_or(0);
    for number in 0..milliseconds {
        let intid = first + number as u32 % count;
        edu.send(intid);
        expect_one(intid);
        let start = timer::now();
        while timer::now() - start < timer::microseconds(1000 - WHILE_US) {}
    }
    println!("messages: done, {milliseconds} sent");
    if machine().argument("end") == Some("reset") {
        gic::disable(first);
        edu.send(first);
        psci::system_reset();
    }
}

fn interrupt(interrupt: Interrupt) {
    TAKEN[interrupt.intid as usize & 0x3ff].fetch_add(1, Ordering::Relaxed);
}

/// Returns the first interrupt that was taken, and how many were in all, and forgets them.
fn taken() -> (usize, u32) {
    let mut found = (0, 0);
    for (intid, taken) in TAKEN.iter().enumerate() {
        let count = taken.swap(0, Ordering::Relaxed);
        found = (if count > 0 { intid } else { found.0 }, found.1 + count);
    }
    found
}

/// Waits for an interrupt, which must come once, and no other.
fn expect_one(intid: u32) {
    let start = timer::now();
    while timer::now() - start < timer::microseconds(WHILE_US) {}
    let taken = taken();
    if taken != (intid as usize, 1) {
        fail!("a message with {intid} gave {} interrupts, {} last", taken.1, taken.0);
    }
}

/// Checks that none has come.
fn expect_none(what: &str, value: u64) {
    let start = timer::now();
    while timer::now() - start < timer::microseconds(WHILE_US) {}
    let taken = taken();
    if taken.1 != 0 {
        fail!("{what} {value:#x} gave {} interrupts, {} last", taken.1, taken.0);
    }
}

/// Checks the frame as the CPU sees it.
fn check_frame(MessageFrame { registers, first, count }: MessageFrame) {
    // SAFETY: the tree says that the frame is here.
    let [typer, iidr] = [TYPER, IIDR].map(|offset| unsafe { read32(registers + offset) });
    if (typer, iidr) != (first << 16 | count, 0) {
        fail!("MSI_TYPER is {typer:#x}, MSI_IIDR {iidr:#x}");
    }
    for (spi, is_own) in [(first + count - 1, true), (first + count, false), (33, false)] {
        // SAFETY: as above; it makes an interrupt pending.
        unsafe { write32(registers + SETSPI, spi) };
        if gic::bit(gic::ISPENDR, spi) != is_own {
            fail!("the CPU's store of {spi} to the frame: pending {}", !is_own);
        }
        gic::set_bit(gic::ICPENDR, spi);
    }
}

/// Tries to raise interrupts that are not the frame's, and those of the frame in other ways.
fn attack(edu: &Edu, frame: MessageFrame) {
    let MessageFrame { registers, first, count } = frame;
    let mut numbers = 0;
    for number in (0..1024).chain([0x2000 + first, 0x8000 | first, 0xffff]) {
        // The real frame of a GICv2m has ten bits.
        let is_own = number % 1024 >= first && number % 1024 < first + count;
        if !is_own || gic::version() == 3 && number > 1023 {
            edu.send(number);
            numbers += 1;
            if number % 64 == 63 || number > 1023 {
                expect_none("messages up to", number.into());
            }
        }
    }
    println!("messages: {numbers} other numbers interrupt nobody");
    for offset in (0..0x1000).step_by(4).filter(|offset| *offset != SETSPI) {
        edu.set(registers + offset, first);
        edu.raise();
        if offset % 0x100 == 0xfc {
            expect_none("messages up to offset", offset);
        }
    }
    // The ITS, the distributor, and the frame of the machine's GICv2m, where the hardware has them.
    for address in [0x808_0000, 0x808_0088, 0x809_0040, 0x800_0040, 0x802_0040] {
        edu.set(address, first);
        edu.raise();
        expect_none("a message to", address);
    }
    println!("messages: other addresses interrupt nobody");
    edu.set(registers + SETSPI, first);
    if gic::version() == 3 {
        // QEMU's DMA of a device has no DeviceID but 0, which is nobody's.
        edu.write_by_dma(registers + SETSPI, first);
        expect_none("a write by DMA of", first.into());
        println!("messages: a DeviceID that is nobody's interrupts nobody");
    }
    edu.send(first);
    expect_one(first);
}

/// The device.
struct Edu {
    configuration: u64,
    registers: u64,
    /// The offset of its capability for messages.
    messages: u64,
}

impl Edu {
    /// Finds the device, and has it decode its memory, master the bus and send messages.
    fn enable() -> Self {
        let Some(pci) = machine().pci else { fail!("there is no host bridge") };
        let configuration = pci.configuration;
        // SAFETY: the tree says that configuration space is here, and the window.
        unsafe {
            if read32(configuration) != 0x11e8_1234 {
                fail!("there is no edu, but {:#x}", read32(configuration));
            }
            write32(configuration + BAR, pci.window.base as u32);
            write32(configuration + COMMAND, 0b110);
        }
        // SAFETY: as above.
        let read = |offset| unsafe { read32(configuration + offset) };
        let mut messages = u64::from(read(CAPABILITIES) & 0xff);
        while messages != 0 && read(messages) & 0xff != MSI {
            messages = u64::from(read(messages) >> 8 & 0xff);
        }
        if messages == 0 {
            fail!("the device has no capability for messages");
        }
        Self { configuration, registers: pci.window.base, messages }
    }

    fn read(&self, offset: u64) -> u32 {
        // SAFETY: a register of the capability, by `enable`.
        unsafe { read32(self.configuration + self.messages + offset) }
    }

    fn write(&self, offset: u64, value: u32) {
        // SAFETY: as above. What a message may do is up to the hypervisor.
        unsafe { write32(self.configuration + self.messages + offset, value) };
    }

    /// Sets where messages go and what they are.
    fn set(&self, address: u64, data: u32) {
        let is_wide = self.read(0) & MSI_64 != 0;
        self.write(4, address as u32);
        if is_wide {
            self.write(8, (address >> 32) as u32);
        }
        self.write(if is_wide { 12 } else { 8 }, data);
        self.write(0, MSI_ENABLE);
    }

    /// Sends a message with this number to the same address as before.
    fn send(&self, data: u32) {
        let is_wide = self.read(0) & MSI_64 != 0;
        self.write(if is_wide { 12 } else { 8 }, data);
        self.raise();
    }

    /// Has the device send its message.
    fn raise(&self) {
        // SAFETY: the registers are the device's, which `enable` has put there.
        unsafe {
            write32(self.registers + RAISE, 1);
            write32(self.registers + ACKNOWLEDGE, 1);
        }
    }

    /// Has the device write a number by DMA.
    fn write_by_dma(&self, address: u64, number: u32) {
        // SAFETY: as above. The device's memory is a part of its registers.
        unsafe {
            let store = |offset, value| write64(self.registers + offset, value);
            // Fills the start of the device's memory from this variable's.
            let source = [u64::from(number)];
            for (from, to, command) in [
                (source.as_ptr() as u64, DMA_BUFFER, DMA_START_TO_MEMORY & 1),
                (DMA_BUFFER, address, DMA_START_TO_MEMORY),
            ] {
                store(DMA_SOURCE, from);
                store(DMA_DESTINATION, to);
                store(DMA_COUNT, 4);
                store(DMA_COMMAND, command);
                while read32(self.registers + DMA_COMMAND) & 1 != 0 {}
            }
        }
    }
}
