//! Regions of the image's sections and stacks, from the symbols of the linker script.

use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::boot::steps;
use core::ptr::addr_of;

/// The number of CPUs for which the linker script reserves stacks.
pub const MAX_CPUS: usize = steps::MAX_CPUS;
/// The size of the stack on which a CPU reports an exception from EL2, in bytes.
pub const EMERGENCY_STACK: u64 = PAGE_SIZE;
/// The number of bytes of its stack that the boot CPU may use with the MMU off: several times more
/// than it does use.
pub const STACK_AT_ENTRY: u64 = 8 << 10;

unsafe extern "C" {
    static __image_start: u8;
    static __text_start: u8;
    static __text_end: u8;
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

/// Defines a function that returns the region between two symbols.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident = $start:ident .. $end:ident) => {
        $(#[$doc])*
        pub fn $name() -> Region<Pa> {
            between(addr_of!($start), addr_of!($end))
        }
    };
}

// One copy for all callers.
#[inline(never)]
fn between(start: *const u8, end: *const u8) -> Region<Pa> {
    // EL2's mapping is the identity, so a symbol's virtual address is its physical one.
    match Region::between(Pa::new(start as u64), Pa::new(end as u64)) {
        Some(region) => region,
        None => panic!("the linker script orders the sections"),
    }
}

section! {
    /// Returns the whole image, including the parts that are not loaded.
    whole = __image_start..__image_end
}
section! {
    /// Returns Bulkhead's code that runs only during boot.
    boot_code = __image_start..__monitor_text_start
}
section! {
    /// Returns the code that stays mapped while guests run.
    code = __text_start..__init_library_text_start
}
section! {
    /// Returns other crates' code that runs only during boot.
    boot_library_code = __init_library_text_start..__rodata_start
}
section! {
    /// Returns all code.
    all_code = __image_start..__rodata_start
}
section! {
    /// Returns the read-only data: constants, and pointers that the entry code has relocated.
    constants = __rodata_start..__data_start
}
section! {
    /// Returns the writable data: variables and EL2's translation tables.
    data = __data_start..__data_end
}
section! {
    /// Returns the data that the entry code relocates with the MMU off.
    relocated = __relocated_start..__bss_start
}
section! {
    /// Returns `.bss`, the variables that are zero at start.
    zeroed = __bss_start..__bss_end
}
section! {
    /// Returns the heap.
    heap = __heap_start..__heap_end
}
section! {
    /// Returns the stacks of all CPUs, each with the guard page below it.
    stacks = __stacks_start..__stacks_end
}

/// Returns the start of the heap. Always inlined, because every deallocation compares an address
/// with it.
#[inline(always)]
pub fn heap_start() -> Pa {
    Pa::new(addr_of!(__heap_start) as u64)
}

/// Defines [`Wings`], in the order of the image.
macro_rules! wings {
    ($($(#[$doc:meta])* $name:ident: $start:ident..$end:ident,)+) => {
        unsafe extern "C" {
            $(static $start: u8; static $end: u8;)+
        }

        /// Which wings are used, and stay mapped while guests run.
        #[derive(Clone, Copy)]
        pub struct Wings {
            $($(#[$doc])* pub $name: bool,)+
        }

        impl Wings {
            /// The number of wings.
            const COUNT: usize = [$(stringify!($name)),+].len();

            /// Returns all wings.
            // Called by boot alone, as all that it calls.
            #[inline(always)]
            pub fn all(self) -> [Wing; Self::COUNT] {
                [$(Wing {
                    name: stringify!($name),
                    code: between(addr_of!($start), addr_of!($end)),
                    is_used: self.$name,
                }),+]
            }
        }
    };
}

wings! {
    /// The monitor.
    monitor: __monitor_text_start..__monitor_text_end,
    /// Random numbers for guests.
    entropy: __entropy_text_start..__entropy_text_end,
    /// Consoles and sockets as links between partitions.
    streams: __streams_text_start..__streams_text_end,
    /// Disks by virtio.
    disks: __disks_text_start..__disks_text_end,
    /// Partitions' own consoles by virtio.
    terminal: __terminal_text_start..__terminal_text_end,
    /// Doorbells of shared memory.
    memory: __memory_text_start..__memory_text_end,
    /// Links of all kinds but memory, and networks.
    links: __links_text_start..__links_text_end,
    /// What all virtio devices have in common.
    virtio: __virtio_text_start..__virtio_text_end,
    /// PCI Express functions of partitions.
    pcie: __pcie_text_start..__pcie_text_end,
    /// SMMUs.
    dma: __dma_text_start..__dma_text_end,
    /// A UART that is not plain.
    uart: __uart_text_start..__uart_text_end,
}

/// A wing.
#[derive(Clone, Copy)]
pub struct Wing {
    /// Its name.
    pub name: &'static str,
    /// Its code.
    code: Region<Pa>,
    /// Whether it stays mapped while guests run.
    pub is_used: bool,
}

impl Wing {
    /// Returns the pages that have its code and nothing else.
    pub fn pages(&self) -> Region<Pa> {
        let end = Pa::new(self.code.end().get().next_multiple_of(PAGE_SIZE));
        Region::between(self.code.start(), end).expect("the image does not wrap")
    }
}

impl Wings {
    /// Returns the number of bytes of the code that stays mapped.
    #[inline(always)]
    pub fn code_size(self) -> u64 {
        let code = between(addr_of!(__text_start), addr_of!(__text_end)).size();
        let used = self.all().into_iter().filter(|wing| wing.is_used);
        code + used.map(|wing| wing.code.size()).sum::<u64>()
    }
}

/// Returns a CPU's stack with its emergency stack, without its guard page.
#[inline(always)]
pub fn stack(cpu: usize) -> Region<Pa> {
    let all = stacks();
    let slot = all.size() / MAX_CPUS as u64;
    let guard = Pa::new(all.start().get() + cpu as u64 * slot);
    let stack = Region::new(Pa::new(guard.get() + PAGE_SIZE), slot - PAGE_SIZE);
    stack.expect("the stack is inside the image")
}

/// Returns the address from which a CPU's stack grows down: its emergency stack begins there.
#[inline(always)]
pub fn stack_top(cpu: usize) -> u64 {
    stack(cpu).end().get() - EMERGENCY_STACK
}

/// Returns the part of the boot CPU's stack that it may use with the MMU off.
pub fn stack_at_entry() -> Region<Pa> {
    let top = Pa::new(stack_top(0));
    Region::between(Pa::new(top.get() - STACK_AT_ENTRY), top).expect("it is a part of the stack")
}
