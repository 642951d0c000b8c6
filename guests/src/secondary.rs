//! Secondary CPUs: started by PSCI CPU_ON (DEN0022, section 5.6), turned off by CPU_OFF.

use core::arch::asm;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::cpu::{self, MAX_CPUS};
use crate::{gic, psci, tree};

/// The function that each CPU is to run, by CPU index.
static START: [AtomicPtr<()>; MAX_CPUS] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CPUS];

/// Returns the physical address at which CPU_ON must enter a secondary CPU.
pub fn entry_address() -> u64 {
    unsafe extern "C" {
        fn secondary_entry();
    }
    secondary_entry as *const () as u64
}

/// Starts the CPU with this index. It runs `main` with its index, then turns itself off.
pub fn start(index: usize, main: fn(usize)) -> Result<(), psci::Error> {
    START[index].store(main as *mut (), Ordering::Release);
    // SAFETY: only a barrier: the other CPU sees the store, however early it starts.
    unsafe { asm!("dsb ishst", options(nostack)) };
    psci::cpu_on(tree::machine().cpus()[index], entry_address(), index as u64)
}

#[unsafe(no_mangle)]
extern "C" fn start_secondary(index: usize) -> ! {
    let main = START[index].load(Ordering::Acquire);
    // SAFETY: `start` stored a function of this type before it turned this CPU on.
    let main: fn(usize) = unsafe { core::mem::transmute(main) };
    gic::init_cpu();
    main(index);
    cpu::mask_interrupts();
    let error = psci::cpu_off();
    panic!("CPU_OFF returned {error:?}");
}
