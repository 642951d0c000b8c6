//! Uses the PCI Express functions that its tree has: prints what is in its configuration space, and
//! checks QEMU's device `edu` (1234:11e8), whose register of liveness returns the complement of what
//! is written.
//!
//! Command line:
//!
//! - `checks=N`: checks each `edu` this often (1), 5 ms apart.
//! - `attack=ADDRESS,...`: stores wild values of every size to every register of configuration space,
//!   and makes the functions decode memory at these addresses.
//! - `mark`: prints what is in a register of an NVMe controller or of an e1000e network card, leaves a
//!   mark there, and resets itself.

#![no_std]
#![no_main]

use runtime::gic::Interrupt;
use runtime::tree::{Pci, machine};
use runtime::{fail, mmio, println, psci, timer};

runtime::guest!(main, interrupt);

/// The IDs of QEMU's `edu`.
const EDU: u32 = 0x11e8_1234;
/// The register of liveness of `edu`.
const LIVENESS: u64 = 4;
/// A register of `edu` that keeps what is written: the source of its DMA.
const SOURCE: u64 = 0x80;
/// Registers that keep bits until a reset, by the classes of their functions: Interrupt Mask Set of an
/// NVMe controller, and Receive Descriptor Base Address Low of an e1000e network card.
const KEEPING: [(u32, u64); 2] = [(0x01_0802, 0x0c), (0x02_0000, 0x2800)];
/// A bit that both keep.
const MARK: u32 = 0x10;

/// Offsets of registers of configuration space.
const COMMAND: u64 = 0x04;
const CLASS: u64 = 0x08;
const BAR: u64 = 0x10;
/// Command: memory is decoded, and the bus is mastered.
const ENABLED: u32 = 0b110;

const DEVICES: u64 = 32;
const DEVICE_SIZE: u64 = 0x8000;
const FUNCTION_SIZE: u64 = 0x1000;
const NONE: u32 = u32::MAX;

fn main() {
    let Some(pci) = machine().pci else { fail!("there is no host bridge") };
    for device in present(pci) {
        let (id, class) = (read(pci, device, 0), read(pci, device, CLASS) >> 8);
        let memory = memory(pci, device);
        println!("functions: {device} is {id:08x}, class {class:06x}, memory at {memory:#x}");
    }
    if machine().argument("mark").is_some() {
        mark(pci);
    }
    if let Some(targets) = machine().argument("attack") {
        for target in targets.split(',') {
            let Ok(target) = u64::from_str_radix(target.trim_start_matches("0x"), 16) else {
                fail!("{target} is no address")
            };
            place_at(pci, target);
        }
        println!("functions: {} wild stores", wild(pci));
    }
    let checks = machine().number("checks").unwrap_or(1);
    let mut found = 0;
    for round in 0..checks {
        for device in present(pci).filter(|device| read(pci, *device, 0) == EDU) {
            check(pci, device, round == 0);
            found += 1;
        }
        let start = timer::now();
        while checks > 1 && timer::now() - start < timer::microseconds(5_000) {}
    }
    println!("functions: done, {found} checks");
}

fn interrupt(_: Interrupt) {}

/// Returns the devices that are there.
fn present(pci: Pci) -> impl Iterator<Item = u64> {
    (0..DEVICES).filter(move |device| read(pci, *device, 0) != NONE)
}

fn read(pci: Pci, device: u64, offset: u64) -> u32 {
    // SAFETY: the tree says that configuration space is here, which no load changes.
    unsafe { mmio::read32(pci.configuration + device * DEVICE_SIZE + offset) }
}

fn write(pci: Pci, device: u64, offset: u64, value: u32) {
    // SAFETY: the tree says that configuration space is here. What a function may access is up to
    // the hypervisor.
    unsafe { mmio::write32(pci.configuration + device * DEVICE_SIZE + offset, value) };
}

/// Returns the address of the first memory of a device.
fn memory(pci: Pci, device: u64) -> u64 {
    u64::from(read(pci, device, BAR) & !0xf)
}

/// Checks that an `edu` decodes its memory in the window, and that it is the same device as the first
/// time.
fn check(pci: Pci, device: u64, is_first: bool) {
    let memory = memory(pci, device);
    if !(pci.window.base..pci.window.base + pci.window.size).contains(&memory) {
        fail!("{device} has its memory at {memory:#x}");
    }
    write(pci, device, COMMAND, ENABLED);
    let value = timer::now() as u32;
    // SAFETY: the registers of the device, in the window that the tree has.
    let answer = unsafe {
        mmio::write32(memory + LIVENESS, value);
        mmio::read32(memory + LIVENESS)
    };
    // SAFETY: as above; no DMA is started.
    let source = unsafe {
        if is_first {
            mmio::write32(memory + SOURCE, memory as u32);
        }
        mmio::read32(memory + SOURCE)
    };
    if u64::from(source) != memory {
        fail!("{device} has {source:#x} in place of {memory:#x}");
    }
    if answer != !value {
        fail!("{device} answers {answer:#x} to {value:#x}");
    }
}

/// Has each function decode memory at an address, and puts it back. No function can be seen there by
/// this guest, but by who has the address.
fn place_at(pci: Pci, target: u64) {
    for device in present(pci) {
        let before = read(pci, device, BAR);
        for command in [ENABLED, 0xffff] {
            write(pci, device, COMMAND, 0);
            write(pci, device, BAR, target as u32);
            write(pci, device, COMMAND, command);
            write(pci, device, BAR, before);
            write(pci, device, BAR, target as u32);
        }
        // While it is there, the one who has the address checks it.
        let start = timer::now();
        while timer::now() - start < timer::microseconds(20_000) {}
        write(pci, device, COMMAND, 0);
        write(pci, device, BAR, before);
    }
}

/// Stores wild values to each register of each function, and to every function that is not there.
/// Returns the number of stores.
fn wild(pci: Pci) -> u64 {
    let mut stores = 0;
    for place in 0..DEVICES * DEVICE_SIZE / FUNCTION_SIZE {
        let is_there = place % 8 == 0 && read(pci, place / 8, 0) != NONE;
        let step = if is_there { 4 } else { 0x104 };
        let base = pci.configuration + place * FUNCTION_SIZE;
        let before =
            is_there.then(|| [0, 4, 8, 12, 16, 20].map(|bar| read(pci, place / 8, BAR + bar)));
        for offset in (0..FUNCTION_SIZE).step_by(step) {
            for value in [u32::MAX, 0x5a5a_5a5a, 0, ENABLED] {
                // SAFETY: as in `write`.
                unsafe {
                    mmio::write32(base + offset, value);
                    (0..4).for_each(|byte| mmio::write8(base + offset + byte, value as u8));
                    mmio::write16(base + offset, value as u16);
                    mmio::write16(base + offset + 2, value as u16);
                    if offset % 8 == 0 {
                        mmio::write64(base + offset, u64::from(value) << 32);
                    }
                }
                stores += 7;
            }
        }
        for (bar, value) in before.into_iter().flatten().enumerate() {
            write(pci, place / 8, BAR + 4 * bar as u64, value);
        }
    }
    stores
}

/// Prints what the last life has left in a function, leaves a mark for the next, and resets the
/// partition.
fn mark(pci: Pci) -> ! {
    let register = |device: u64| {
        let class = read(pci, device, CLASS) >> 8;
        KEEPING.into_iter().find(|(of, _)| *of == class).map(|(_, register)| (device, register))
    };
    let found = present(pci).find_map(register);
    let Some((device, register)) = found else { fail!("no function keeps a mark") };
    let (command, place) = (read(pci, device, COMMAND) as u16, memory(pci, device) + register);
    write(pci, device, COMMAND, ENABLED);
    // SAFETY: a register of the function, in the window that the tree has, which starts nothing.
    let (found, kept) = unsafe {
        let found = mmio::read32(place);
        mmio::write32(place, MARK);
        (found, mmio::read32(place) == MARK)
    };
    // The hypervisor's own register, which counts the lives unless it is reset.
    let line = read(pci, device, 0x3c) as u8;
    write(pci, device, 0x3c, u32::from(line) + 1);
    println!("functions: command {command:#x}, line {line}, found {found:#x}, kept {kept}");
    psci::system_reset()
}
