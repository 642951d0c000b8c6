//! Interrupts, from what raises one to its handler, and from there back to what it interrupted.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, Ordering};

use runtime::cpu::{self, MAX_CPUS};
use runtime::gic::{self, Interrupt, Target};
use runtime::tree::machine;
use runtime::{fail, pl031, timer, write_register};

use crate::counter;

global_asm!(include_str!("routines.s"), interrupt = sym interrupt);

/// The counts before what was waited for and after.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Counts {
    pub before: u64,
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
    ($name:ident: $vectors:ident $resumed:ident $spin:ident $store:ident $send:ident $sleep:ident) => {
        unsafe extern "C" {
            fn $vectors();
            fn $resumed();
            fn $spin() -> Counts;
            fn $store(address: u64, value: u32) -> Counts;
            fn $send(value: u64) -> Counts;
            fn $sleep() -> Counts;
        }

        /// Those by the counter of this name.
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

/// Those of the counter that the command line chooses.
pub fn routines() -> &'static Routines {
    if counter::is_cycles() { &CYCLES } else { &TICKS }
}

/// Where the boot CPU goes on after an interrupt; 0: where it was.
static RESUME: AtomicU64 = AtomicU64::new(0);
/// The count at the vector of each CPU's last interrupt.
static AT_VECTOR: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
/// How many each CPU has taken.
static TAKEN: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// An SGI that is answered with [`REPLY`].
pub const CALL: u32 = 1;
/// What comes back for a [`CALL`].
pub const REPLY: u32 = 2;
/// An SGI that says nothing more.
pub const NOTE: u32 = 3;

/// An interrupt that was waited for.
pub struct Taken {
    /// The counts before it and after, where it was waited for.
    pub counts: Counts,
    /// The count at its vector.
    pub at_vector: u64,
}

impl Routines {
    /// Has this CPU's interrupts go by these routines.
    pub fn install(&self) {
        write_register!("vbar_el1", self.vectors as *const () as u64);
    }

    fn taking(&self, wait: impl FnOnce() -> Counts) -> Taken {
        RESUME.store(self.resumed as *const () as u64, Ordering::Relaxed);
        let counts = wait();
        RESUME.store(0, Ordering::Relaxed);
        Taken { counts, at_vector: at_vector(cpu::index()) }
    }

    /// Waits for an interrupt, running.
    pub fn spin(&self) -> Taken {
        // SAFETY: the routine returns by the handler, which goes on at `resumed`.
        self.taking(|| unsafe { (self.spin)() })
    }

    /// Stores to a device, which interrupts for it.
    ///
    /// # Safety
    ///
    /// As for [`runtime::mmio::write32`].
    pub unsafe fn store(&self, address: u64, value: u32) -> Taken {
        // SAFETY: the caller's, and as in `spin`.
        self.taking(|| unsafe { (self.store)(address, value) })
    }

    /// Writes ICC_SGI1R_EL1, with this CPU as the target.
    pub fn send(&self, value: u64) -> Taken {
        // SAFETY: as in `spin`.
        self.taking(|| unsafe { (self.send)(value) })
    }

    /// Sleeps until an interrupt is pending, which is not taken.
    pub fn sleep(&self) -> Counts {
        // SAFETY: it waits, and does nothing else.
        unsafe { (self.sleep)() }
    }
}

/// The count at the vector of a CPU's last interrupt.
pub fn at_vector(cpu: usize) -> u64 {
    AT_VECTOR[cpu].load(Ordering::Acquire)
}

/// How many interrupts a CPU has taken.
pub fn taken(cpu: usize) -> u64 {
    TAKEN[cpu].load(Ordering::Acquire)
}

/// Where an interrupt goes that came by the routines; where to go on.
extern "C" fn interrupt(at_vector: u64) -> u64 {
    let cpu = cpu::index();
    let Some(interrupt) = gic::acknowledge() else { return 0 };
    quiet(interrupt.intid);
    gic::end(interrupt);
    AT_VECTOR[cpu].store(at_vector, Ordering::Release);
    // One CPU writes, so that nothing is lost between the two.
    TAKEN[cpu].store(TAKEN[cpu].load(Ordering::Relaxed) + 1, Ordering::Release);
    if cpu == 0 { RESUME.load(Ordering::Relaxed) } else { 0 }
}

/// Takes back what raised an interrupt.
fn quiet(intid: u32) {
    match intid {
        CALL => gic::send(REPLY, Target::Cpu(0)),
        0..16 => {}
        intid if intid == machine().virtual_timer => timer::disarm(),
        intid => match machine().real_time_clock {
            Some(clock) if clock.interrupt == intid => pl031::clear(clock),
            _ => fail!("unexpected interrupt {intid}"),
        },
    }
}

/// Where an interrupt goes that came before the routines were installed: there is none.
pub fn unexpected(interrupt: Interrupt) {
    fail!("unexpected interrupt {}", interrupt.intid);
}
