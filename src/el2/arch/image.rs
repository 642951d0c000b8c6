//! Where the image, its sections and its stacks lie: the linker script's symbols.

use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use core::ptr::addr_of;

/// The CPUs that the linker script keeps stacks for.
pub const MAX_CPUS: usize = 32;
/// The stack on which a CPU reports that its own stack, or anything else at EL2, broke.
pub const EMERGENCY_STACK: u64 = PAGE_SIZE;
/// How much of its stack the boot CPU may use with the MMU off, in bytes: several times what it does.
pub const STACK_AT_ENTRY: u64 = 8 << 10;

unsafe extern "C" {
    static __image_start: u8;
    static __monitor_text_start: u8;
    static __text_start: u8;
    static __init_library_text_start: u8;
    static __rodata_start: u8;
    static __relocated_start: u8;
    static __data_start: u8;
    static __bss_start: u8;
    static __bss_end: u8;
    static __heap_start: u8;
    static __heap_end: u8;
    static __data_end: u8;
    static __stacks_start: u8;
    static __stacks_end: u8;
    static __image_end: u8;
}

/// The region between two symbols.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident = $start:ident .. $end:ident) => {
        $(#[$doc])*
        pub fn $name() -> Region<Pa> {
            between(addr_of!($start), addr_of!($end))
        }
    };
}

// Out of line, for there are several callers.
#[inline(never)]
fn between(start: *const u8, end: *const u8) -> Region<Pa> {
    // Physical and virtual addresses are the same at EL2, so a symbol's address is both.
    match Region::between(Pa::new(start as u64), Pa::new(end as u64)) {
        Some(region) => region,
        None => panic!("sections are in order"),
    }
}

section! {
    /// All that the image takes, loaded or not.
    whole = __image_start..__image_end
}
section! {
    /// Bulkhead's code that runs only during boot.
    boot_code = __image_start..__monitor_text_start
}
section! {
    /// The monitor.
    monitor_code = __monitor_text_start..__text_start
}
section! {
    /// The code that stays mapped while guests run.
    code = __text_start..__init_library_text_start
}
section! {
    /// Other crates' code that runs only during boot.
    boot_library_code = __init_library_text_start..__rodata_start
}
section! {
    /// All code.
    all_code = __image_start..__rodata_start
}
section! {
    /// Constants, and pointers that the entry has relocated: only read.
    constants = __rodata_start..__data_start
}
section! {
    /// Variables and translation tables: never executed.
    data = __data_start..__data_end
}
section! {
    /// What the entry relocated, with the MMU off, and what lies between.
    relocated = __relocated_start..__bss_start
}
section! {
    /// Variables that start as zero.
    zeroed = __bss_start..__bss_end
}
section! {
    /// The heap. Always inlined: each block that is freed is looked for in it.
    #[inline(always)]
    heap = __heap_start..__heap_end
}
section! {
    /// Every CPU's stack with the guard page below it.
    stacks = __stacks_start..__stacks_end
}

/// The stack of the CPU with this index, emergency stack included, without its guard page.
#[inline(always)]
pub fn stack(cpu: usize) -> Region<Pa> {
    let all = stacks();
    let slot = all.size() / MAX_CPUS as u64;
    let guard = Pa::new(all.start().get() + cpu as u64 * slot);
    Region::new(Pa::new(guard.get() + PAGE_SIZE), slot - PAGE_SIZE).expect("inside the image")
}

/// Where the stack of the CPU with this index starts to grow down from.
#[inline(always)]
pub fn stack_top(cpu: usize) -> u64 {
    stack(cpu).end().get() - EMERGENCY_STACK
}

/// What the boot CPU uses of its stack with the MMU off.
pub fn stack_at_entry() -> Region<Pa> {
    let top = Pa::new(stack_top(0));
    Region::between(Pa::new(top.get() - STACK_AT_ENTRY), top).expect("it is part of the stack")
}
