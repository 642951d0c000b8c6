//! Resets itself while an NVMe controller, the first function of its tree's host bridge, reads into
//! its memory, and checks before that that the controller of its last life has left nothing there
//! (NVM Express Base Specification 1.4).
//!
//! Each life prints whether its memory was clean, and how many reads were under way at its end.

#![no_std]
#![no_main]

use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};

use runtime::gic::Interrupt;
use runtime::mmio::{read32, write32, write64};
use runtime::tree::machine;
use runtime::{fail, println, psci, timer};

runtime::guest!(main, interrupt);

/// The memory that the controller uses, from the start of the partition's: behind the image, and
/// before the tree.
const OFFSET: u64 = 4 << 20;
const SIZE: u64 = 1 << 20;
const PAGE: u64 = 4096;

/// Configuration space: the first Base Address Register, and Command with memory and bus master.
const BAR: u64 = 0x10;
const COMMAND: u64 = 0x04;
const ENABLED: u32 = 0b110;

/// Registers of a controller (3.1), and the first doorbell of a controller with a stride of 4 bytes.
const CONFIGURATION: u64 = 0x14;
const STATUS: u64 = 0x1c;
const ADMIN_SIZES: u64 = 0x24;
const ADMIN_SUBMISSION: u64 = 0x28;
const ADMIN_COMPLETION: u64 = 0x30;
const DOORBELLS: u64 = 0x1000;
/// Controller Configuration: enabled, with entries of 64 and of 16 bytes.
const ENABLE: u32 = 4 << 20 | 6 << 16 | 1;

/// Opcodes (5.4, 5.5, 6.9).
const CREATE_SUBMISSION: u32 = 1;
const CREATE_COMPLETION: u32 = 5;
const READ: u32 = 2;

/// The entries of each queue, and the reads that are submitted at once: one fewer.
const ENTRIES: u64 = 64;
/// The blocks of 512 bytes of a read, which are two pages.
const BLOCKS: u64 = 16;
/// The first page into which the controller reads; before it are the queues.
const DATA: u64 = 4;

/// A queue of commands and one of their completions.
struct Queues {
    number: u64,
    submission: u64,
    completion: u64,
    tail: u64,
}

/// The controller.
struct Controller {
    registers: u64,
    /// The memory that it uses.
    memory: &'static [AtomicU64],
    start: u64,
}

fn main() {
    let Some(pci) = machine().pci else { fail!("there is no host bridge") };
    let start = machine().memory()[0].base + OFFSET;
    // SAFETY: it is memory of the partition, in which neither the image nor the tree is, and which
    // nothing else of this guest uses.
    let memory = unsafe {
        slice::from_raw_parts(start as *const AtomicU64, SIZE as usize / size_of::<u64>())
    };
    check(memory, "at the start");
    // What the last life has asked for would arrive in this time.
    let now = timer::now();
    while timer::now() - now < timer::microseconds(20_000) {}
    check(memory, "20 ms later");
    // SAFETY: the tree says that configuration space is here.
    let registers = unsafe {
        write32(pci.configuration + COMMAND, ENABLED);
        u64::from(read32(pci.configuration + BAR) & !0xf)
    };
    let controller = Controller { registers, memory, start };
    let mut queues = controller.start();
    for number in 0..ENTRIES - 1 {
        let page = controller.page(DATA + 2 * number);
        let blocks = [0, 0, (BLOCKS - 1) as u32];
        controller.submit(&mut queues, READ, 1, page, page + PAGE, blocks);
    }
    if !timer::within(5_000_000, || controller.completed(&queues) > 0) {
        fail!("nothing is read");
    }
    let under_way = ENTRIES - 1 - controller.completed(&queues);
    println!("nvme: memory clean, {under_way} reads under way");
    psci::system_reset()
}

fn interrupt(_: Interrupt) {}

/// Checks that memory is scrubbed.
fn check(memory: &[AtomicU64], when: &str) {
    let is_clean = |word: &AtomicU64| word.load(Ordering::Relaxed) == 0;
    if let Some(index) = memory.iter().position(|word| !is_clean(word)) {
        fail!("{when} memory at +{:#x} is {:#x}", index * 8, memory[index].load(Ordering::Relaxed));
    }
}

impl Controller {
    /// Resets and starts it, and returns a pair of queues for reads.
    fn start(&self) -> Queues {
        let await_ready = |ready| {
            if !timer::within(5_000_000, || self.read(STATUS) & 1 == ready) {
                fail!("the controller is not {ready}");
            }
        };
        self.write(CONFIGURATION, 0);
        await_ready(0);
        let queues = |number: u64| Queues {
            number,
            submission: self.page(2 * number),
            completion: self.page(2 * number + 1),
            tail: 0,
        };
        let [mut admin, reads] = [0, 1].map(queues);
        let last = ENTRIES as u32 - 1;
        self.write(ADMIN_SIZES, last << 16 | last);
        // SAFETY: registers of the controller, in the window that the tree has.
        unsafe {
            write64(self.registers + ADMIN_SUBMISSION, admin.submission);
            write64(self.registers + ADMIN_COMPLETION, admin.completion);
        }
        self.write(CONFIGURATION, ENABLE);
        await_ready(1);
        let queue = last << 16 | reads.number as u32;
        // Its interrupts stay off; the memory of a queue is contiguous.
        let creations = [
            (CREATE_COMPLETION, reads.completion, 1),
            (CREATE_SUBMISSION, reads.submission, 1 << 16 | 1),
        ];
        for (done, (opcode, page, flags)) in (1..).zip(creations) {
            self.submit(&mut admin, opcode, 0, page, 0, [queue, flags, 0]);
            if !timer::within(5_000_000, || self.completed(&admin) == done) {
                fail!("there is no queue");
            }
        }
        reads
    }

    /// Submits a command for a namespace, with its pages and its last words.
    fn submit(
        &self,
        queues: &mut Queues,
        opcode: u32,
        namespace: u32,
        page: u64,
        next: u64,
        words: [u32; 3],
    ) {
        let entry = queues.submission - self.start + queues.tail * 64;
        let entry = &self.memory[entry as usize / 8..][..8];
        let [one, two, three] = words.map(u64::from);
        let identifier = queues.tail << 16;
        let command = [
            u64::from(namespace) << 32 | identifier | u64::from(opcode),
            0,
            0,
            page,
            next,
            two << 32 | one,
            three,
            0,
        ];
        for (word, value) in entry.iter().zip(command) {
            word.store(value, Ordering::SeqCst);
        }
        queues.tail = (queues.tail + 1) % ENTRIES;
        self.write(DOORBELLS + queues.number * 8, queues.tail as u32);
    }

    /// Returns the number of completions in a queue that has not been filled yet, all of which
    /// were successes.
    fn completed(&self, queues: &Queues) -> u64 {
        let first = (queues.completion - self.start) as usize / 8;
        let entries = self.memory[first..].chunks(2).take(ENTRIES as usize);
        let statuses = entries.map(|entry| entry[1].load(Ordering::SeqCst) >> 48);
        let done = statuses.take_while(|status| status & 1 != 0);
        done.fold(0, |count, status| {
            if status != 1 {
                fail!("a command fails with {status:#x}");
            }
            count + 1
        })
    }

    fn page(&self, number: u64) -> u64 {
        self.start + number * PAGE
    }

    fn read(&self, register: u64) -> u32 {
        // SAFETY: a register of the controller, in the window that the tree has.
        unsafe { read32(self.registers + register) }
    }

    fn write(&self, register: u64, value: u32) {
        // SAFETY: as in `read`; the controller accesses the memory that this guest gives it.
        unsafe { write32(self.registers + register, value) }
    }
}
