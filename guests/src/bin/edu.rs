//! Drives QEMU's `edu` device, which has a DMA engine: moves its own memory, and attacks what its
//! partition does not own.
//!
//! Command line:
//!
//! - `registers=A`, `config=A`: the addresses for the device's BAR 0, and of its configuration
//!   space; otherwise it is the first function of the tree's host bridge.
//! - `attack=A,B,...`: has the device write to and read from these addresses.
//! - `flood=N`: has it write to the first of them this often more.
//! - `wait=N`: checks its memory and the device for N ms.
//! - `end=off`, `end=reset`: switches itself off, or resets itself, while a transfer to its memory
//!   is under way.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};

use runtime::gic::Interrupt;
use runtime::mmio::{read32, read64, write32, write64};
use runtime::tree::machine;
use runtime::{fail, println, psci, timer};

runtime::guest!(main, interrupt);

/// The registers of the device (QEMU, docs/specs/edu.rst).
const SOURCE: u64 = 0x80;
const DESTINATION: u64 = 0x88;
const COUNT: u64 = 0x90;
const COMMAND: u64 = 0x98;
/// The start of a transfer, and its direction from the device to memory.
const START: u64 = 1;
const TO_MEMORY: u64 = 2;
/// The device's own memory.
const BUFFER: u64 = 0x4_0000;

/// The number of bytes that are moved, and of those that one access moves.
const SIZE: usize = 64;
const WORD: usize = 4;

/// Memory that the device accesses.
#[repr(C, align(64))]
struct Memory([AtomicU64; SIZE / 8]);

impl Memory {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; SIZE / 8])
    }

    fn fill(&self, value: u64) {
        self.0.iter().for_each(|word| word.store(value, Ordering::SeqCst));
    }

    fn is_filled_with(&self, value: u64) -> bool {
        self.0.iter().all(|word| word.load(Ordering::SeqCst) == value)
    }

    fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }
}

static FROM: Memory = Memory::new();
static TO: Memory = Memory::new();

/// The device.
struct Edu(u64);

fn main() {
    let window = machine().pci.map(|pci| (pci.window.base, pci.configuration));
    let given = machine().number("registers").zip(machine().number("config"));
    let Some((registers, config)) = given.or(window) else { fail!("there is no device") };
    let edu = Edu::enable(registers, config);
    let pattern = 0x0123_4567_89ab_cdef;
    edu.check(pattern);
    println!("edu: its device moves its memory");
    let attacks = machine().argument("attack").unwrap_or_default();
    for target in attacks.split(',').filter_map(parse) {
        edu.start(TO_MEMORY, BUFFER, target, WORD);
        edu.wait();
        edu.start(0, target, BUFFER, WORD);
        edu.wait();
        println!("edu: attacked {target:#x}");
    }
    if let Some(target) = attacks.split(',').find_map(parse) {
        for _ in 0..machine().number("flood").unwrap_or(0) {
            edu.start(TO_MEMORY, BUFFER, target, WORD);
            edu.wait();
        }
    }
    let start = timer::now();
    let time = timer::microseconds(machine().number("wait").unwrap_or(0) * 1000);
    while timer::now() - start < time {
        edu.check(timer::now());
    }
    edu.check(!pattern);
    println!("edu: done");
    if let Some(end) = machine().argument("end") {
        edu.start(TO_MEMORY, BUFFER, TO.address(), SIZE);
        match end {
            "off" => psci::system_off(),
            "reset" => psci::system_reset(),
            _ => fail!("there is no end={end}"),
        }
    }
}

fn interrupt(_: Interrupt) {}

/// Returns a number in hexadecimal with `0x`.
fn parse(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

impl Edu {
    /// Puts its registers at an address, by its configuration space, and makes it a bus master.
    fn enable(registers: u64, config: u64) -> Self {
        const BAR_0: u64 = 0x10;
        const COMMAND: u64 = 4;
        const MEMORY_AND_MASTER: u32 = 0b110;
        // SAFETY: the command line has the addresses of a device that the partition owns, whose
        // pages the runtime has mapped as registers.
        unsafe {
            if read32(config) != 0x11e8_1234 {
                fail!("there is no edu, but {:#x}", read32(config));
            }
            write32(config + BAR_0, registers as u32);
            write32(config + COMMAND, MEMORY_AND_MASTER);
        }
        let edu = Self(registers);
        // It may still be at work for an earlier life, since nothing has reset it.
        edu.wait();
        edu
    }

    /// Moves its memory to the device and back.
    fn check(&self, pattern: u64) {
        FROM.fill(pattern);
        TO.fill(0);
        self.start(0, FROM.address(), BUFFER, SIZE);
        self.wait();
        self.start(TO_MEMORY, BUFFER, TO.address(), SIZE);
        self.wait();
        if !FROM.is_filled_with(pattern) || !TO.is_filled_with(pattern) {
            fail!("the device did not move {pattern:#x}");
        }
    }

    /// Starts a transfer.
    fn start(&self, direction: u64, source: u64, destination: u64, size: usize) {
        let registers = [(SOURCE, source), (DESTINATION, destination), (COUNT, size as u64)];
        for (register, value) in registers.into_iter().chain([(COMMAND, START | direction)]) {
            // SAFETY: the registers are the device's, which `enable` has put there.
            unsafe { write64(self.0 + register, value) };
        }
    }

    /// Waits for its end.
    fn wait(&self) {
        // SAFETY: as in `start`.
        while unsafe { read64(self.0 + COMMAND) } & START != 0 {}
    }
}
