//! Interrupts: the routines that measure from an event to the handler, and from there back to the
//! interrupted code.

use core::arch::global_asm;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use runtime::cpu::{self, MAX_CPUS};
use runtime::gic::{self, Interrupt, Target};
use runtime::tree::machine;
use runtime::{fail, pl031, timer, write_register};

use crate::{console, counter, links};

global_asm!(
    include_str!("../../registers.s"),
    include_str!("routines.s"),
    interrupt = sym interrupt,
);

/// The counts before and after an event.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Counts {
    /// The count before the event.
    pub before: u64,
    /// The count after it.
    pub after: u64,
}

/// The routines of `routines.s` for one counter.
pub struct Routines {
    vectors: unsafe extern "C" fn(),
    resumed: unsafe extern "C" fn(),
    spin: unsafe extern "C" fn() -> Counts,
    store: unsafe extern "C" fn(u64, u32) -> Counts,
    send: unsafe extern "C" fn(u64) -> Counts,
    sleep: unsafe extern "C" fn() -> Counts,
}

macro_rules! routines {
    (
        $name:ident:
        $vectors:ident $resumed:ident $spin:ident $store:ident $send:ident $sleep:ident
    ) => {
        unsafe extern "C" {
            fn $vectors();
            fn $resumed();
            fn $spin() -> Counts;
            fn $store(address: u64, value: u32) -> Counts;
            fn $send(value: u64) -> Counts;
            fn $sleep() -> Counts;
        }

        /// The routines that read the counter of this name.
        pub static $name: Routines = Routines {
            vectors: $vectors,
            resumed: $resumed,
            spin: $spin,
            store: $store,
            send: $send,
            sleep: $sleep,
        };
    };
}

routines!(TICKS: ticks_vectors ticks_resumed ticks_spin ticks_store ticks_send ticks_sleep);
routines!(CYCLES: cycles_vectors cycles_resumed cycles_spin cycles_store cycles_send cycles_sleep);

/// Returns the routines for the counter that the command line selects.
pub fn routines() -> &'static Routines {
    if counter::is_cycles() { &CYCLES } else { &TICKS }
}

/// The address at which the boot CPU continues after an interrupt; 0 for the interrupted
/// instruction.
static RESUME: AtomicU64 = AtomicU64::new(0);
/// The count at the vector of each CPU's last interrupt.
static AT_VECTOR: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
/// The number of interrupts that each CPU has taken.
static TAKEN: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// Whether the handler ends an interrupt before it silences its source.
static ENDS_FIRST: AtomicBool = AtomicBool::new(false);

/// The SGI that the receiver answers with [`REPLY`].
pub const CALL: u32 = 1;
/// The SGI that answers a [`CALL`].
pub const REPLY: u32 = 2;
/// The SGI that needs no answer.
pub const NOTE: u32 = 3;

/// An interrupt that a routine has waited for.
pub struct Taken {
    /// The counts before and after it in the interrupted code.
    pub counts: Counts,
    /// The count at its vector.
    pub at_vector: u64,
}

impl Routines {
    /// Installs the exception vectors of these routines on this CPU.
    pub fn install(&self) {
        write_register!("vbar_el1", self.vectors as *const () as u64);
    }

    fn taking(&self, wait: impl FnOnce() -> Counts) -> Taken {
        RESUME.store(self.resumed as *const () as u64, Ordering::Relaxed);
        let counts = wait();
        RESUME.store(0, Ordering::Relaxed);
        Taken { counts, at_vector: at_vector(cpu::index()) }
    }

    /// Waits for an interrupt in a loop.
    pub fn spin(&self) -> Taken {
        // SAFETY: the routine returns by the handler, which continues at `resumed`.
        self.taking(|| unsafe { (self.spin)() })
    }

    /// Stores to a device register, which raises an interrupt.
    ///
    /// # Safety
    ///
    /// As for [`runtime::mmio::write32`].
    pub unsafe fn store(&self, address: u64, value: u32) -> Taken {
        // SAFETY: guaranteed by the caller, and as in `spin`.
        self.taking(|| unsafe { (self.store)(address, value) })
    }

    /// Writes ICC_SGI1R_EL1, with this CPU as the target.
    pub fn send(&self, value: u64) -> Taken {
        // SAFETY: as in `spin`.
        self.taking(|| unsafe { (self.send)(value) })
    }

    /// Sleeps until an interrupt is pending, without taking it.
    pub fn sleep(&self) -> Counts {
        // SAFETY: the routine only waits.
        unsafe { (self.sleep)() }
    }
}

/// Returns the count at the vector of a CPU's last interrupt.
pub fn at_vector(cpu: usize) -> u64 {
    AT_VECTOR[cpu].load(Ordering::Acquire)
}

/// Returns the number of interrupts that a CPU has taken.
pub fn taken(cpu: usize) -> u64 {
    TAKEN[cpu].load(Ordering::Acquire)
}

/// Handles an interrupt and returns the address at which to continue, 0 for the interrupted
/// instruction.
extern "C" fn interrupt(at_vector: u64) -> u64 {
    let cpu = cpu::index();
    let Some(interrupt) = gic::acknowledge() else { return 0 };
    if ENDS_FIRST.load(Ordering::Relaxed) {
        gic::end(interrupt);
        timer::mask();
    } else {
        silence(interrupt.intid);
        gic::end(interrupt);
    }
    AT_VECTOR[cpu].store(at_vector, Ordering::Release);
    // Only this CPU writes the counter, so the load and the store need not be one operation.
    TAKEN[cpu].store(TAKEN[cpu].load(Ordering::Relaxed) + 1, Ordering::Release);
    if cpu == 0 { RESUME.load(Ordering::Relaxed) } else { 0 }
}

/// Calls `operation`, during which the handler ends the virtual timer's interrupt before it masks the
/// timer.
pub fn ending_first<T>(operation: impl FnOnce() -> T) -> T {
    ENDS_FIRST.store(true, Ordering::Relaxed);
    let result = operation();
    ENDS_FIRST.store(false, Ordering::Relaxed);
    result
}

/// Silences the source of an interrupt.
fn silence(intid: u32) {
    match intid {
        CALL => gic::send(REPLY, Target::Cpu(0)),
        0..16 => {}
        intid if intid == machine().virtual_timer => timer::disarm(),
        intid if intid == machine().uart_interrupt => console::interrupt(),
        intid if links::take(intid) => {}
        intid => match machine().real_time_clock {
            Some(clock) if clock.interrupt == intid => pl031::clear(clock),
            _ => fail!("unexpected interrupt {intid}"),
        },
    }
}

/// Handles an interrupt before the routines are installed, which is an error.
pub fn unexpected(interrupt: Interrupt) {
    fail!("unexpected interrupt {}", interrupt.intid);
}
