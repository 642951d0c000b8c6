//! Reads its disks, which are memory or virtio devices, and tries what it must not do with those
//! that it cannot write.
//!
//! Command line:
//!
//! - `keep=NAME`: counts its lives at the start of that disk, and resets itself until the third.
//! - `attack=NAME`: tries to change and to execute that disk in every way.
//! - `rounds=N`: sums each disk this often (1), and expects the same sum each time.

#![no_std]
#![no_main]

use core::arch::asm;

use runtime::block::{self, Kind, SECTOR};
use runtime::exceptions::{Fault, attempt};
use runtime::gic::Interrupt;
use runtime::tree::{Disk, machine};
use runtime::{fail, println, psci, read_register, timer};
use spin::Mutex;

runtime::guest!(main, interrupt);

/// The number of lives that it counts.
const LIVES: u64 = 3;

/// A way of accessing an address, which may end in an exception.
type Access = unsafe extern "C" fn(u64, u64) -> u64;

/// The ways of changing memory, with their names.
const WRITES: [(&str, Access); 6] = [
    ("str", store),
    ("strb", store_byte),
    ("stp", store_pair),
    ("str with write-back", store_with_write_back),
    ("stxr", store_exclusive),
    ("dc zva", zero),
];

fn main() {
    let mut disks: [Option<AnyDisk>; 2 * MOST] = [const { None }; 2 * MOST];
    let memory = machine().disks().iter().map(AnyDisk::Memory);
    let all = memory.chain(block::Disk::all().map(AnyDisk::Device));
    for (slot, disk) in disks.iter_mut().zip(all) {
        *slot = Some(disk);
    }
    let mut first = 0_u64;
    for disk in disks.iter_mut().flatten() {
        let sum = disk.sum();
        first = first.wrapping_add(sum);
        match disk {
            AnyDisk::Memory(Disk { name, memory }) => {
                println!("disk: {name} at {:#x}, {} bytes: {sum:#x}", memory.base, memory.size);
            }
            AnyDisk::Device(disk) => {
                let size = disk.sectors() * SECTOR;
                println!("disk: {} by virtio, {size} bytes: {sum:#x}", disk.name());
            }
        }
    }
    if let Some(name) = machine().argument("attack") {
        match find(&mut disks, name) {
            AnyDisk::Memory(disk) => attack(disk),
            AnyDisk::Device(disk) => attack_device(disk),
        }
    }
    if let Some(name) = machine().argument("keep") {
        keep(find(&mut disks, name));
    }
    for round in 1..machine().number("rounds").unwrap_or(1) {
        let start = timer::now();
        if disks.iter_mut().flatten().map(AnyDisk::sum).fold(0, u64::wrapping_add) != first {
            fail!("a disk has changed in round {round}");
        }
        while timer::now() - start < timer::microseconds(10_000) {}
    }
    println!("disk: done");
}

fn interrupt(_: Interrupt) {}

/// Returns the disk of this name.
fn find<'a>(disks: &'a mut [Option<AnyDisk>], name: &str) -> &'a mut AnyDisk {
    let disk = disks.iter_mut().flatten().find(|disk| disk.name() == name);
    disk.unwrap_or_else(|| fail!("there is no disk {name}"))
}

/// The most disks of each kind.
const MOST: usize = 4;

/// A disk.
enum AnyDisk {
    /// One that is memory.
    Memory(&'static Disk),
    /// One that is a virtio device.
    Device(block::Disk),
}

/// What is read of a device or written to it at once: more than the device may move in one visit to
/// EL2.
static BUFFER: Mutex<[u8; 192 * SECTOR as usize]> = Mutex::new([0; 192 * SECTOR as usize]);

impl AnyDisk {
    fn name(&self) -> &'static str {
        match self {
            Self::Memory(disk) => disk.name,
            Self::Device(disk) => disk.name(),
        }
    }

    /// Returns a sum in which each word and its place count.
    fn sum(&mut self) -> u64 {
        match self {
            Self::Memory(disk) => sum(disk),
            Self::Device(disk) => sum_of_device(disk),
        }
    }
}

/// Returns a sum in which each word and its place count.
fn sum(disk: &Disk) -> u64 {
    let mut sum = 0_u64;
    for address in (disk.memory.base..disk.memory.base + disk.memory.size).step_by(8) {
        // SAFETY: the tree says that the disk is memory, which the runtime has mapped. Another
        // guest must not write it, but this one checks that, so the read is volatile.
        let word = unsafe { (address as *const u64).read_volatile() };
        sum = sum.rotate_left(7) ^ word;
    }
    sum
}

/// Returns the same of a device.
fn sum_of_device(disk: &mut block::Disk) -> u64 {
    let mut buffer = BUFFER.lock();
    let (mut sum, mut sector) = (0_u64, 0);
    while sector < disk.sectors() {
        let size = ((disk.sectors() - sector) * SECTOR).min(buffer.len() as u64);
        let data = &mut buffer[..size as usize];
        match disk.request(Kind::Read, sector, data) {
            0 => {}
            status => fail!("sector {sector} of {}: status {status}", disk.name()),
        }
        for word in data.as_chunks().0 {
            sum = sum.rotate_left(7) ^ u64::from_le_bytes(*word);
        }
        sector += size / SECTOR;
    }
    sum
}

/// Counts a life at the start of a disk.
fn keep(disk: &mut AnyDisk) {
    let name = disk.name();
    let life = match disk {
        AnyDisk::Memory(disk) => {
            let place = disk.memory.base as *mut u64;
            // SAFETY: as in `sum`; the disk is this guest's own.
            let life = unsafe { place.read_volatile() } + 1;
            // SAFETY: as above.
            unsafe { place.write_volatile(life) };
            life
        }
        AnyDisk::Device(disk) => {
            let mut buffer = BUFFER.lock();
            let sector = &mut buffer[..SECTOR as usize];
            let read = disk.request(Kind::Read, 0, sector);
            let word = sector.first_chunk().copied().unwrap_or_default();
            let life = u64::from_le_bytes(word) + 1;
            sector[..8].copy_from_slice(&life.to_le_bytes());
            let written = disk.request(Kind::Write, 0, sector);
            match [read, written, disk.request(Kind::Flush, 0, &mut [])] {
                [0, 0, 0] => {}
                status => fail!("read, write and flush: status {status:?}"),
            }
            life
        }
    };
    println!("disk: {name} has seen life {life}");
    if life < LIVES {
        psci::system_reset();
    }
}

/// Expects an error for each way of changing a device that is read-only, and of reaching what is
/// behind its end, that it has its name, and that its bytes are the same afterwards.
fn attack_device(disk: &mut block::Disk) {
    let before = sum_of_device(disk);
    if !disk.is_read_only() {
        fail!("the disk {} is not read-only", disk.name());
    }
    let (end, mut count) = (disk.sectors(), 0);
    let mut buffer = BUFFER.lock();
    buffer.fill(0xa5);
    for (kind, sector, size) in [
        (Kind::Write, 0, 512),
        (Kind::Write, end / 2, 4096),
        (Kind::Write, end - 1, 512),
        (Kind::Write, end, 512),
        (Kind::Read, end, 512),
        (Kind::Read, end - 1, 1024),
        (Kind::Read, u64::MAX, 512),
        (Kind::Read, u64::MAX / SECTOR, 512),
        (Kind::Read, 0, 511),
        (Kind::Id, 0, 19),
    ] {
        match disk.request(kind, sector, &mut buffer[..size]) {
            1 => count += 1,
            status => fail!("{kind:?} of {size} bytes at sector {sector}: status {status}"),
        }
        if buffer.iter().any(|byte| *byte != 0xa5) {
            fail!("{kind:?} at sector {sector} has written to the buffer");
        }
    }
    let has_name = disk.request(Kind::Id, 0, &mut buffer[..20]) == 0;
    if !has_name || !buffer.starts_with(disk.name().as_bytes()) || buffer[19] != 0 {
        fail!("the disk {} has another name", disk.name());
    }
    drop(buffer);
    if sum_of_device(disk) != before {
        fail!("the disk {} has changed", disk.name());
    }
    disk.reset();
    disk.prepare(Kind::Read, 0, &mut BUFFER.lock()[..SECTOR as usize]);
    disk.notify();
    if disk.is_done() {
        fail!("the disk {} uses its queue after a reset", disk.name());
    }
    println!("disk: {count} attacks on {} were refused, it has not changed", disk.name());
}

/// Expects an external abort for each way of changing a disk, at its start, middle and end, and of
/// executing it, and that its bytes are the same afterwards.
fn attack(disk: &Disk) {
    let before = sum(disk);
    let (base, size) = (disk.memory.base, disk.memory.size);
    let mut count = 0;
    for address in [base, base + size / 2, base + size - 64] {
        for (name, write) in WRITES {
            // SAFETY: the disk is nothing that this program uses, and the functions have nothing to
            // drop.
            expect_abort(name, unsafe { attempt(write, address, 0) }, DATA_ABORT | WRITE);
            count += 1;
        }
        if read_register!("id_aa64isar0_el1") >> 20 & 0xf != 0 {
            // SAFETY: as above.
            expect_abort("ldadd", unsafe { attempt(add, address, 0) }, DATA_ABORT | WRITE);
            count += 1;
        }
        // SAFETY: as above; what is executed, if it is, does not return.
        expect_abort("fetch", unsafe { attempt(jump, address, 0) }, INSTRUCTION_ABORT);
        count += 1;
    }
    if sum(disk) != before {
        fail!("the disk {} has changed", disk.name);
    }
    println!("disk: {count} attacks on {} were refused, it has not changed", disk.name);
}

/// ESR_EL1.EC of a data abort and of an instruction abort without a change of the exception level.
const DATA_ABORT: u64 = 0x25 << 26;
const INSTRUCTION_ABORT: u64 = 0x21 << 26;
/// ISS.WnR.
const WRITE: u64 = 1 << 6;
/// ISS.DFSC: a synchronous external abort.
const EXTERNAL: u64 = 0x10;

/// Fails unless the access has caused an external abort of this class and direction.
fn expect_abort(name: &str, result: Result<u64, Fault>, what: u64) {
    match result {
        Ok(_) => fail!("{name} was not refused"),
        Err(Fault { esr, .. }) if esr & (0x3f << 26 | WRITE | 0x3f) == what | EXTERNAL => {}
        Err(Fault { esr, elr, .. }) => fail!("{name}: ESR {esr:#x} at {elr:#x}"),
    }
}

/// Defines functions that access an address as these instructions do, with x1 for a value.
macro_rules! accesses {
    ($($name:ident: $($line:literal),+;)+) => {$(
        unsafe extern "C" fn $name(address: u64, value: u64) -> u64 {
            // SAFETY: guaranteed by the caller.
            unsafe {
                asm!($($line),+, inout("x0") address => _, inout("x1") value => _, out("x2") _,
                    out("x3") _, out("x30") _, options(nostack));
            }
            0
        }
    )+};
}

accesses! {
    store: "str x1, [x0]";
    store_byte: "strb w1, [x0, #3]";
    store_pair: "stp x1, x1, [x0]";
    store_with_write_back: "str x1, [x0, #8]!";
    store_exclusive: "ldxr x2, [x0]", "mvn x2, x2", "stxr w3, x2, [x0]";
    zero: "dc zva, x0";
    add: ".arch_extension lse", "mov x1, #1", "ldadd x1, x2, [x0]", ".arch_extension nolse";
    jump: "blr x0";
}
