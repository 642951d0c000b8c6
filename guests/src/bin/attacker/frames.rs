//! Every register of the frames that Bulkhead emulates and of the hardware's virtual CPU interface,
//! with every access size and kind of value.

use core::arch::naked_asm;

use runtime::tree::{Gic, machine};
use runtime::{gic, mmio, println, timer, watchdog};

use crate::context::Context;
use crate::level::{Function, Level};
use crate::random::Random;
use crate::tally::{Attempts, Outcome};
use crate::{space, window};

/// An access size in bytes, its load and store, and their outcomes.
struct AccessSize {
    bytes: u64,
    load: Function,
    store: Function,
    loads: Attempts,
    stores: Attempts,
}

/// Plain loads and stores of emulated registers are executed or ignored.
const EMULATED: &[Outcome] = &[Outcome::Done];
/// GICv2's CPU interface is the hardware's, which may abort accesses of some sizes.
static INTERFACE: Attempts = Attempts::new(
    "register accesses of the CPU interface",
    &[Outcome::Done, Outcome::ExternalAbort],
);

macro_rules! sizes {
    ($($bytes:literal $name:literal $load:literal $store:literal;)*) => {
        [$({
            #[unsafe(naked)]
            unsafe extern "C" fn load(_: u64, _: u64) -> u64 {
                naked_asm!($load, "ret")
            }
            #[unsafe(naked)]
            unsafe extern "C" fn store(_: u64, _: u64) -> u64 {
                naked_asm!($store, "ret")
            }
            AccessSize {
                bytes: $bytes,
                load,
                store,
                loads: Attempts::new(concat!("register loads of ", $name), EMULATED),
                stores: Attempts::new(concat!("register stores of ", $name), EMULATED),
            }
        }),*]
    };
}

#[rustfmt::skip]
static SIZES: [AccessSize; 4] = sizes! {
    1 "a byte"  "ldrb w0, [x0]" "strb w1, [x0]";
    2 "16 bits" "ldrh w0, [x0]" "strh w1, [x0]";
    4 "32 bits" "ldr w0, [x0]"  "str w1, [x0]";
    8 "64 bits" "ldr x0, [x0]"  "str x1, [x0]";
};

impl AccessSize {
    fn try_at(&'static self, random: &mut Random, frame: u64, offset: u64) {
        let address = window::KERNEL + frame + offset;
        let value = if enables_watchdog(frame, offset) { 0 } else { random.value() };
        // SAFETY: the devices are reset at the end of the group.
        let (load, store) = unsafe {
            (Level::El1.call(self.load, address, 0), Level::El1.call(self.store, address, value))
        };
        let is_interface = match machine().gic {
            Gic::V2 { cpu_interface, .. } => cpu_interface == frame && offset < space::PAGE,
            Gic::V3 { .. } => false,
        };
        let [loads, stores] =
            if is_interface { [&INTERFACE; 2] } else { [&self.loads, &self.stores] };
        loads.attempted(load, format_args!("{frame:#x} + {offset:#x}"));
        stores.attempted(store, format_args!("{frame:#x} + {offset:#x} = {value:#x}"));
    }
}

/// Returns whether the register enables the watchdog, which would stop the partition.
fn enables_watchdog(frame: u64, offset: u64) -> bool {
    offset < 8 && machine().watchdog.is_some_and(|it| it.control == frame)
}

/// Makes the private interrupts edge-triggered where that is possible, for a while. If that
/// affected the timers of other partitions, they would lose a tick.
pub fn change_triggers() {
    const WHILE_US: u64 = 3_000_000;
    let register = gic::frame(0) + gic::ICFGR + 4;
    // SAFETY: a register of the interrupt controller, which the tree names.
    unsafe { mmio::write32(register, u32::MAX) };
    timer::within(WHILE_US, || false);
    println!("attacker: triggers changed");
    timer::within(WHILE_US, || false);
}

/// Disables the watchdog, which could stop the partition with random values in its other registers.
pub fn disable_watchdog() {
    if machine().watchdog.is_some() {
        watchdog::write(watchdog::WCS, 0);
    }
}

/// Reads and writes every register of every frame. The CPUs share the registers.
pub fn registers(context: &mut Context) {
    disable_watchdog();
    for _ in 0..context.rounds {
        for (frame, bytes) in space::frames() {
            for size in &SIZES {
                // Registers have 32 bits; smaller accesses go to a random part of a register.
                for register in (0..bytes).step_by(size.bytes.max(4) as usize) {
                    if context.is_mine(register / 8) {
                        let parts = 4_u64.div_ceil(size.bytes);
                        let offset = register + context.random.below(parts) * size.bytes;
                        size.try_at(&mut context.random, frame, offset);
                    }
                }
            }
        }
    }
}
