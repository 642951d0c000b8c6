//! Large numbers of permitted operations: interrupts, waits, events, self-modifying code, output.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use runtime::gic::{self, Interrupt, Target};
use runtime::tree::machine;
use runtime::{cpu, pl011, println, timer, watchdog};

use crate::context::Context;
use crate::own::Code;
use crate::tally::{Attempts, Outcome};

const DONE: &[Outcome] = &[Outcome::Done];
static INTERRUPTS: Attempts = Attempts::new("interrupts in storms", DONE);
static WAITS: Attempts = Attempts::new("waits by WFI and WFE", DONE);
static CHANGES: Attempts = Attempts::new("changes of running code", DONE);
static FEEDS: Attempts = Attempts::new("feeds of the watchdog", DONE);
static BYTES: Attempts = Attempts::new("bytes of output", DONE);

/// The length of a storm of interrupts, in microseconds.
const STORM_US: u64 = 200_000;
/// The SGI that a CPU sends to itself and to the others.
const SGI: u32 = 9;

static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Takes interrupts as fast as possible: timers that are always due, SGIs from each CPU to all, and
/// the UART's interrupt, made pending by software.
pub fn interrupts(context: &mut Context) {
    let sources =
        [machine().virtual_timer, machine().physical_timer, SGI, machine().uart_interrupt];
    sources.into_iter().for_each(gic::enable);
    let deadline = timer::now() + timer::microseconds(STORM_US * context.rounds);
    while timer::now() < deadline {
        timer::arm_after(0);
        timer::arm_physical_after(0);
        gic::send(SGI, Target::Own);
        gic::send(SGI, Target::Others);
        gic::set_bit(gic::ISPENDR, machine().uart_interrupt);
        cpu::unmask_interrupts();
        for _ in 0..16 {
            core::hint::spin_loop();
        }
        cpu::mask_interrupts();
    }
    sources.into_iter().for_each(gic::disable);
    let taken = TAKEN.swap(0, Ordering::Relaxed);
    (0..taken).for_each(|_| INTERRUPTS.count(Outcome::Done, ""));
}

/// Handles an interrupt: silences the source.
pub fn take(interrupt: Interrupt) {
    if interrupt.intid == machine().virtual_timer {
        timer::disarm();
    } else if interrupt.intid == machine().physical_timer {
        timer::disarm_physical();
    }
    TAKEN.fetch_add(1, Ordering::Relaxed);
}

/// Executes waits that end at once, since the timer is due, and events.
pub fn waits(context: &mut Context) {
    gic::enable(machine().virtual_timer);
    timer::arm_after(0);
    for _ in 0..context.rounds * 4096 {
        // SAFETY: no wait is endless: the timer is due, and each WFE follows an event.
        unsafe { asm!("wfi", "sevl", "wfe", "sev", "wfe", "yield", options(nostack)) };
        WAITS.count(Outcome::Done, "");
    }
    timer::disarm();
    gic::disable(machine().virtual_timer);
}

/// Feeds the watchdog, where there is one, as fast as possible.
pub fn feeds(context: &mut Context) {
    if machine().watchdog.is_some() {
        for _ in 0..context.rounds * 4096 {
            watchdog::feed();
            FEEDS.count(Outcome::Done, "");
        }
    }
}

/// Calls a function that is generated again before each call.
pub fn changing_code(context: &mut Context) {
    /// MOVZ X0, #immediate
    const MOVZ: u32 = 0xd280_0000;
    const RET: u32 = 0xd65f_03c0;
    for _ in 0..context.rounds * 2048 {
        let value = context.random.below(1 << 16);
        let mut code = Code::new();
        let address = code.add(&[MOVZ | (value as u32) << 5, RET]);
        code.finish();
        // SAFETY: the two instructions are a function of this type.
        let function = unsafe { core::mem::transmute::<u64, extern "C" fn() -> u64>(address) };
        let outcome = if function() == value { Outcome::Done } else { Outcome::Fault };
        CHANGES.count(outcome, value);
    }
}

/// Prints output without line ends, with empty lines, and with every byte value.
pub fn output(context: &mut Context) {
    const CHUNK: u64 = 1024;
    let forms: [fn(u64) -> u8; 5] = [
        |_| b'x',
        |_| b'\r',
        |_| b'\n',
        |at| at as u8,
        |at| b"\r[bulkhead] \x1b[2J\x1b[H"[at as usize % 19],
    ];
    for form in forms {
        for at in 0..CHUNK * context.rounds {
            pl011::put(form(at));
            BYTES.count(Outcome::Done, "");
        }
    }
    println!("");
}
