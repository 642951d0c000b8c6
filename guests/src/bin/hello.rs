//! Prints what it finds in its tree, counts timer interrupts, and powers off.
//!
//! Command line:
//!
//! - `ticks=N`, `period-us=N`: the number of timer interrupts (10) and their period (10000).
//! - `poke=ADDRESS`: reads that address first and prints the result.
//! - `say=ADDRESS`: writes a line to the mini-UART at that address, which is not the console.
//! - `lines=N`: prints this number of lines.
//! - `crash`: executes an undefined instruction.
//! - `loop`: loops at the end; with `loop=masked`, all interrupts are masked and all priorities
//!   active; with `loop=asleep`, it also waits for interrupts.
//! - `watchdog=feed`: feeds the watchdog with every tick; with `watchdog=starve`, loops at the end
//!   with all
//!   interrupts masked.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};

use runtime::gic::{self, Interrupt};
use runtime::tree::machine;
use runtime::{cpu, exceptions, fail, mmio, println, psci, read_register, timer, watchdog};

runtime::guest!(main, interrupt);

static TICKS: AtomicU64 = AtomicU64::new(0);

fn main() {
    report();
    if let Some(address) = machine().number("poke") {
        poke(address);
    }
    if let Some(address) = machine().number("say") {
        say(address, "hello: on a UART of the machine\r\n");
    }
    if machine().argument("crash").is_some() {
        // SAFETY: UDF raises an exception and does nothing else.
        unsafe { core::arch::asm!("udf #0") };
    }
    let lines = machine().number("lines").unwrap_or(0);
    for line in 1..=lines {
        println!("hello: line {line} of {lines}, with more text to make it long");
    }
    let ticks = machine().number("ticks").unwrap_or(10);
    let period = timer::microseconds(machine().number("period-us").unwrap_or(10_000));
    let start = timer::now();
    count(ticks, period);
    let elapsed = timer::now() - start;
    if elapsed < ticks.saturating_mul(period) {
        fail!("{ticks} periods of {period} took only {elapsed}");
    }
    if let Some(how) = machine().argument("loop") {
        println!("hello: looping");
        if matches!(how, "masked" | "asleep") {
            activate_all_priorities();
            loop_masked(how == "asleep");
        }
        loop {
            core::hint::spin_loop();
        }
    }
    if machine().argument("watchdog") == Some("starve") {
        println!("hello: stops feeding its watchdog");
        loop_masked(false);
    }
    println!("hello: done, ticks={}", TICKS.load(Ordering::Relaxed));
}

fn report() {
    println!("hello: a bare-metal guest");
    println!("  partition   {}", machine().partition.unwrap_or("none, a bare machine"));
    for region in machine().memory() {
        let end = region.base.saturating_add(region.size);
        println!("  memory      {:#x}..{end:#x}, {} MiB", region.base, region.size >> 20);
    }
    println!("  CPU         1 of {}, MPIDR {:#x}", machine().cpus().len(), cpu::affinity());
    println!("  interrupts  GICv{}", gic::version());
    println!("  timer       {} Hz, INTID {}", timer::frequency(), machine().virtual_timer);
    match psci::version() {
        Ok(version) => println!("  PSCI        {}.{}", version >> 16, version & 0xffff),
        Err(error) => fail!("PSCI_VERSION returns {error:?}"),
    }
    println!("  MIDR        {:#x}", read_register!("midr_el1"));
}

fn poke(address: u64) {
    // SAFETY: the author of the command line has chosen the address.
    match unsafe { exceptions::probe_read(address) } {
        Ok(value) => println!("poke: {address:#x} reads {value:#x}"),
        Err(fault) => println!("poke: {address:#x} ESR {:#x}, FAR {:#x}", fault.esr, fault.far),
    }
}

/// Writes to a mini-UART (BCM2711 ARM Peripherals, 2.2) that is set up already.
fn say(uart: u64, text: &str) {
    const IO: u64 = 0x00;
    const LSR: u64 = 0x14;
    const HAS_ROOM: u32 = 1 << 5;
    for byte in text.bytes() {
        // SAFETY: the author of the command line has chosen the address.
        unsafe {
            while mmio::read32(uart + LSR) & HAS_ROOM == 0 {}
            mmio::write32(uart + IO, byte.into());
        }
    }
}

/// Makes every priority active at a GICv3's CPU interface, so that it signals no interrupt.
fn activate_all_priorities() {
    if gic::version() == 3 {
        // SAFETY: every GICv3 has ICC_AP1R0_EL1, and this guest needs no more interrupts.
        unsafe { core::arch::asm!("msr S3_0_C12_C9_0, {}", in(reg) u64::from(u32::MAX)) };
    }
}

/// Masks all interrupts and loops; if it `sleeps`, it executes WFI all the time.
fn loop_masked(sleeps: bool) -> ! {
    // SAFETY: the loop needs no interrupt.
    unsafe { core::arch::asm!("msr daifset, #0xf", options(nostack)) };
    loop {
        if sleeps {
            // SAFETY: WFI changes no state.
            unsafe { core::arch::asm!("wfi", options(nomem, nostack)) };
        }
        core::hint::spin_loop();
    }
}

/// Counts ticks. The timer is set here and not in the handler: see [`timer::arm_after`].
fn count(ticks: u64, period: u64) {
    gic::enable(machine().virtual_timer);
    for tick in 1..=ticks {
        timer::arm_after(period);
        cpu::wait_until(|| TICKS.load(Ordering::Relaxed) >= tick);
    }
}

fn interrupt(interrupt: Interrupt) {
    if interrupt.intid != machine().virtual_timer {
        fail!("unexpected interrupt {}", interrupt.intid);
    }
    timer::disarm();
    TICKS.fetch_add(1, Ordering::Relaxed);
    if machine().argument("watchdog").is_some() {
        watchdog::feed();
    }
}
