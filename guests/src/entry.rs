//! Entry into a guest: the stacks, `entry.s`, and the first Rust code of the boot CPU.

use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use crate::cpu::MAX_CPUS;
use crate::{gic, mmu, pl011, psci, timer, tree};

const STACK_SIZE: usize = 16 << 10;

#[repr(C, align(16))]
struct Stack(UnsafeCell<MaybeUninit<[u8; STACK_SIZE]>>);

// SAFETY: each CPU uses only the stack with its own index.
unsafe impl Sync for Stack {}

/// The stacks, by CPU index. Their section is not zeroed at entry.
#[unsafe(link_section = ".stacks")]
static STACKS: [Stack; MAX_CPUS] =
    [const { Stack(UnsafeCell::new(MaybeUninit::uninit())) }; MAX_CPUS];

global_asm!(
    include_str!("entry.s"),
    root = sym mmu::ROOT,
    stacks = sym STACKS,
    stack_size = const STACK_SIZE,
);

/// Sets up the runtime on the boot CPU, runs the guest's `main` and powers off.
#[unsafe(no_mangle)]
extern "C" fn start_primary(tree: *const u8, entered: u64) -> ! {
    // Defined by `guest!`.
    unsafe extern "Rust" {
        safe fn guest_main();
    }
    timer::set_entered(entered);
    let machine = tree::read(tree);
    mmu::map_all(machine);
    pl011::init();
    gic::init();
    guest_main();
    psci::system_off()
}
