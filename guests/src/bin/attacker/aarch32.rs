//! AArch32 code at EL0, where the CPU implements it: every coprocessor register of p14 and p15, and
//! calls.

use core::arch::{asm, naked_asm};

use runtime::cpu::{self, MAX_CPUS};
use runtime::exceptions::{Fault, attempt};
use runtime::read_register;

use crate::context::Context;
use crate::own::Code;
use crate::tally::{Attempts, Outcome};
use crate::window::{self, MEMORY, Table};

/// ESR_EL1.EC of SVC from AArch32.
const SVC: u64 = 0x11;

// A32 instructions with condition AL, r0 and r1 as the registers, and all other fields zero.
const MRC: u32 = 0xee10_0010;
const MCR: u32 = 0xee00_0010;
const MRRC: u32 = 0xec51_0000;
const MCRR: u32 = 0xec41_0000;
const HVC_0: u32 = 0xe140_0070;
const SMC_0: u32 = 0xe160_0070;
const SVC_0: u32 = 0xef00_0000;

/// An access that the CPU or EL1 denies to EL0 is an exception.
const ANY: &[Outcome] = &[Outcome::Done, Outcome::Undefined, Outcome::Fault];
static REGISTERS: Attempts = Attempts::at("MRC and MCR", " from AArch32", ANY);
static PAIRS: Attempts = Attempts::at("MRRC and MCRR", " from AArch32", ANY);
static CALLS: Attempts =
    Attempts::at("HVC and SMC", " from AArch32", &[Outcome::Undefined, Outcome::Fault]);

/// The number of attempts between two changes of the tables.
const BATCH: usize = 64;
/// The size of the region, from address 0, at which EL0 sees the GiB with the code.
const GIB: u64 = 1 << 30;

/// The level 1 table of the lower half during a batch: that of the runtime, except for the first
/// GiB.
static LOWER: [Table; MAX_CPUS] = [const { Table::new() }; MAX_CPUS];

/// Reads and writes every register by its numbers. The CPUs share the registers.
pub fn registers(context: &mut Context) {
    /// ID_AA64PFR0_EL1.EL0 if EL0 implements AArch32.
    const BOTH: u64 = 2;
    // EL0 uses the first GiB, so the attacker must not be there.
    if read_register!("id_aa64pfr0_el1") & 0xf != BOTH || Code::new().start() < GIB {
        return;
    }
    let mut batch = Batch::new();
    // Bit 20 is set for reads, bits 23:21 are opc1, 19:16 CRn, 7:5 opc2, 3:0 CRm.
    for numbers in 0..1_u32 << 14 {
        if !(context.is_mine(numbers.into()) && is_tried(context)) {
            continue;
        }
        let [opc1, crn, opc2, crm] =
            [numbers >> 11, numbers >> 7 & 15, numbers >> 4 & 7, numbers & 15];
        for coprocessor in [14, 15] {
            let fields = opc1 << 21 | crn << 16 | coprocessor << 8 | opc2 << 5 | crm;
            batch.add(&REGISTERS, MRC | fields);
            batch.add(&REGISTERS, MCR | fields);
        }
    }
    for numbers in 0..1 << 8 {
        for coprocessor in [14, 15] {
            batch.add(&PAIRS, MRRC | coprocessor << 8 | numbers);
            batch.add(&PAIRS, MCRR | coprocessor << 8 | numbers);
        }
    }
    batch.add(&CALLS, HVC_0);
    batch.add(&CALLS, SMC_0);
    batch.run();
}

fn is_tried(context: &mut Context) -> bool {
    context.is_thorough() || context.random.below(8) == 0
}

/// Instructions that are executed together.
struct Batch {
    code: Code,
    tries: [Option<Try>; BATCH],
    count: usize,
}

#[derive(Clone, Copy)]
struct Try {
    kind: &'static Attempts,
    instruction: u32,
    /// The address at which EL0 executes it.
    entry: u64,
    result: Result<(), Fault>,
}

impl Batch {
    const fn new() -> Self {
        Self { code: Code::new(), tries: [None; BATCH], count: 0 }
    }

    /// Adds an instruction, and executes the batch if it is full.
    fn add(&mut self, kind: &'static Attempts, instruction: u32) {
        let entry = self.code.add(&[instruction, SVC_0]) % GIB;
        self.tries[self.count] = Some(Try { kind, instruction, entry, result: Ok(()) });
        self.count += 1;
        if self.count == BATCH {
            self.run();
        }
    }

    /// Executes the batch. The results are reported later: the UART is not mapped meanwhile.
    fn run(&mut self) {
        self.code.finish();
        let runtime = map_first_gib(self.code.start());
        for one in self.tries.iter_mut().flatten() {
            // SAFETY: two instructions at EL0, of which at least the second causes an exception.
            let result = unsafe { attempt(enter, one.entry, 0) };
            one.result = match result {
                Err(fault) if fault.class() == SVC => Ok(()),
                result => result.map(drop),
            };
        }
        translate_by(runtime);
        for one in self.tries.iter().flatten() {
            one.kind.attempted(one.result, format_args!("{:#x}", one.instruction));
        }
        *self = Self::new();
    }
}

/// Maps the GiB of `address` at 0 for EL0, and returns the previous translation root.
fn map_first_gib(address: u64) -> u64 {
    const BLOCK: u64 = 0b01;
    const EL0_TOO: u64 = 1 << 6;
    let runtime = read_register!("ttbr0_el1");
    let lower = &LOWER[cpu::index()];
    let entry = |index: u64| {
        // SAFETY: the runtime's root table, which is identity-mapped and does not change.
        unsafe { ((runtime + index * 8) as *const u64).read_volatile() }
    };
    // SAFETY: the table is this CPU's and not in use.
    unsafe {
        (1..512).for_each(|index| lower.write(index, entry(index as u64)));
        lower.write(0, address - address % GIB + (MEMORY | EL0_TOO | BLOCK));
    }
    translate_by(lower.address());
    runtime
}

fn translate_by(root: u64) {
    // SAFETY: both roots map the attacker's code and data in the same way; they differ only in the
    // first GiB, where devices are.
    unsafe { asm!("dsb ishst", "msr ttbr0_el1, {}", "isb", in(reg) root, options(nostack)) };
    window::invalidate_tlb();
}

/// Enters EL0 in AArch32, with interrupts masked. It returns by an exception.
#[unsafe(naked)]
unsafe extern "C" fn enter(entry: u64, _: u64) -> u64 {
    naked_asm!("mov x2, #0x1d0", "msr spsr_el1, x2", "msr elr_el1, x0", "mov x0, xzr", "eret")
}
