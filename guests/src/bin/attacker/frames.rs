//! Every register of the frames that Bulkhead emulates, or that are the hardware's virtual interface, in
//! every size and with every kind of value.

use core::arch::naked_asm;

use runtime::tree::{Gic, machine};
use runtime::{gic, mmio, println, timer, watchdog};

use crate::context::Context;
use crate::level::{Function, Level};
use crate::random::Random;
use crate::tally::{Kind, Outcome};
use crate::{space, window};

/// Size in bytes, load, store, and what came of them.
struct Size {
    bytes: u64,
    load: Function,
    store: Function,
    loads: Kind,
    stores: Kind,
}

/// Plain loads and stores of emulated registers are carried out or ignored.
const EMULATED: &[Outcome] = &[Outcome::Done];
/// GICv2's CPU interface is the hardware's, which may refuse sizes by itself.
static INTERFACE: Kind =
    Kind::new("register accesses of the CPU interface", &[Outcome::Done, Outcome::ExternalAbort]);

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
            Size {
                bytes: $bytes,
                load,
                store,
                loads: Kind::new(concat!("register loads of ", $name), EMULATED),
                stores: Kind::new(concat!("register stores of ", $name), EMULATED),
            }
        }),*]
    };
}

#[rustfmt::skip]
static SIZES: [Size; 4] = sizes! {
    1 "a byte"  "ldrb w0, [x0]" "strb w1, [x0]";
    2 "16 bits" "ldrh w0, [x0]" "strh w1, [x0]";
    4 "32 bits" "ldr w0, [x0]"  "str w1, [x0]";
    8 "64 bits" "ldr x0, [x0]"  "str x1, [x0]";
};

impl Size {
    fn try_at(&'static self, random: &mut Random, frame: u64, offset: u64) {
        let address = window::KERNEL + frame + offset;
        let value = if would_bark(frame, offset) { 0 } else { random.value() };
        // SAFETY: what this does to the devices is undone at the end of the group.
        let (load, store) = unsafe {
            (Level::El1.call(self.load, address, 0), Level::El1.call(self.store, address, value))
        };
        let is_interface = matches!(machine().gic, Gic::V2 { cpu_interface, .. } if cpu_interface == frame)
            && offset < space::PAGE;
        let [loads, stores] =
            if is_interface { [&INTERFACE; 2] } else { [&self.loads, &self.stores] };
        loads.attempted(load, format_args!("{frame:#x} + {offset:#x}"));
        stores.attempted(store, format_args!("{frame:#x} + {offset:#x} = {value:#x}"));
    }
}

/// Whether this is the register by which the watchdog is enabled, which must not be.
fn would_bark(frame: u64, offset: u64) -> bool {
    offset < 8 && machine().watchdog.is_some_and(|it| it.control == frame)
}

/// Makes the private interrupts edge-triggered where that is possible, and leaves them so for a while. Timers
/// of other partitions that had the same trigger would lose a tick for good.
pub fn change_triggers() {
    const WHILE_US: u64 = 3_000_000;
    let register = gic::frame(0) + gic::ICFGR + 4;
    // SAFETY: a register of the interrupt controller, which the tree names.
    unsafe { mmio::write32(register, u32::MAX) };
    timer::within(WHILE_US, || false);
    println!("attacker: triggers changed");
    timer::within(WHILE_US, || false);
}

/// Turns the watchdog off: with any time that its other registers are given, it could end the partition.
pub fn quiet_watchdog() {
    if machine().watchdog.is_some() {
        watchdog::write(watchdog::WCS, 0);
    }
}

/// Every register of every frame; the CPUs share them out.
pub fn registers(context: &mut Context) {
    quiet_watchdog();
    for _ in 0..context.rounds {
        for (frame, bytes) in space::frames() {
            for size in &SIZES {
                // Registers are of 32 bits; of smaller parts, one is chosen by chance.
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
