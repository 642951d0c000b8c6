//! Races: all CPUs turn each other on and off, send SGIs, fault and reset the partition, at random
//! times. The partition restarts all the time, and an operator beside it gives orders at any
//! moment.

use core::arch::asm;

use runtime::gic::{self, Target};
use runtime::{cpu, exceptions, mmu, pl011, psci, read_register, secondary, timer};

use crate::context::count;
use crate::random::Random;

/// The longest time until a CPU does what it ends with, in microseconds.
const BOOT_CPU_US: u64 = 20_000;
const OTHER_CPU_US: u64 = 15_000;
/// INTIDs below this are used: SGIs, PPIs and the first SPIs.
const INTIDS: u64 = 64;

/// Runs the race on all CPUs. The boot CPU ends with a reset, or with what lets only the watchdog
/// or another CPU end the partition.
pub fn start() {
    for index in 1..count() {
        // Another CPU may have started it already.
        let _ = secondary::start(index, other_cpu);
    }
    let mut random = generator();
    act(&mut random, BOOT_CPU_US);
    match random.below(8) {
        0 => drop(psci::cpu_off()),
        // SAFETY: this CPU executes nothing else afterwards.
        1 => unsafe { asm!("msr daifset, #15", "2: wfi", "b 2b", options(noreturn)) },
        2 => act_for_ever(&mut random),
        _ => {}
    }
    psci::system_reset()
}

/// Ends with a reset, in an endless race, or by turning this CPU off.
fn other_cpu(_: usize) {
    let mut random = generator();
    act(&mut random, OTHER_CPU_US);
    match random.below(4) {
        0 => psci::system_reset(),
        1 => act_for_ever(&mut random),
        _ => {}
    }
}

/// Returns a generator whose numbers differ between the CPUs and from life to life.
fn generator() -> Random {
    Random::new(read_register!("cntpct_el0") << 8 | cpu::index() as u64)
}

fn act_for_ever(random: &mut Random) -> ! {
    loop {
        act(random, BOOT_CPU_US);
    }
}

/// Acts at random for a random time of at most `limit` microseconds.
fn act(random: &mut Random, limit: u64) {
    timer::within(random.below(limit), || {
        act_once(random);
        false
    });
}

fn act_once(random: &mut Random) {
    let index = random.below(count() as u64);
    let intid = random.below(INTIDS) as u32;
    match random.below(11) {
        0 => drop(secondary::start(index as usize, other_cpu)),
        1 => gic::send(intid % 16, Target::Others),
        2 => pl011::write(pl011::DR, 0x20 + intid),
        3 => gic::set_bit(gic::ISPENDR, intid),
        4 => gic::set_bit(gic::ICACTIVER, intid),
        5 => gic::enable(intid),
        6 => gic::disable(intid),
        7 => drop(gic::bit(gic::ISACTIVER, intid)),
        // SAFETY: there is nothing at the address.
        8 => drop(unsafe { exceptions::probe_read(mmu::NOWHERE) }),
        9 => drop(psci::affinity_info(index)),
        _ => {
            if let Some(interrupt) = gic::acknowledge()
                && random.below(2) == 0
            {
                gic::end(interrupt);
            }
            pl011::write(pl011::IMSC, random.next() as u32 & 0x7ff);
        }
    }
}
