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
    static __monitor_text_start: u8;
    static __monitor_text_end: u8;
    static __entropy_text_start: u8;
    static __entropy_text_end: u8;
    static __links_text_start: u8;
    static __links_text_end: u8;
    static __pcie_text_start: u8;
    static __pcie_text_end: u8;
    static __dma_text_start: u8;
    static __dma_text_end: u8;
    static __uart_text_start: u8;
    static __uart_text_end: u8;
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
    /// Returns the monitor's code.
    monitor_code = __monitor_text_start..__entropy_text_start
}
section! {
    /// Returns the code of random numbers for guests.
    entropy_code = __entropy_text_start..__links_text_start
}
section! {
    /// Returns the code of links between partitions, and of disks and consoles by virtio.
    links_code = __links_text_start..__pcie_text_start
}
section! {
    /// Returns the code of PCI Express functions of partitions.
    pcie_code = __pcie_text_start..__dma_text_start
}
section! {
    /// Returns the code of SMMUs.
    dma_code = __dma_text_start..__uart_text_start
}
section! {
    /// Returns the code of UARTs that are not plain.
    uart_code = __uart_text_start..__text_start
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

/// Which wings are used, and stay mapped while guests run.
#[derive(Clone, Copy)]
pub struct Wings {
    /// The monitor.
    pub monitor: bool,
    /// Random numbers for guests.
    pub entropy: bool,
    /// Links between partitions, and disks and consoles by virtio.
    pub links: bool,
    /// PCI Express functions of partitions.
    pub pcie: bool,
    /// SMMUs.
    pub dma: bool,
    /// A UART that is not plain.
    pub uart: bool,
}

impl Wings {
    /// Returns each wing's name and code, and whether it is used.
    #[inline(always)]
    pub fn all(self) -> [(&'static str, Region<Pa>, bool); 6] {
        [
            ("monitor", monitor_code(), self.monitor),
            ("entropy", entropy_code(), self.entropy),
            ("links", links_code(), self.links),
            ("pcie", pcie_code(), self.pcie),
            ("dma", dma_code(), self.dma),
            ("uart", uart_code(), self.uart),
        ]
    }

    /// Returns the number of bytes of the code that stays mapped.
    #[inline(always)]
    pub fn code_size(self) -> u64 {
        let size = |start, end, is_used| if is_used { between(start, end).size() } else { 0 };
        let code = size(addr_of!(__text_start), addr_of!(__text_end), true);
        let (start, end) = (addr_of!(__monitor_text_start), addr_of!(__monitor_text_end));
        let monitor = size(start, end, self.monitor);
        let (start, end) = (addr_of!(__entropy_text_start), addr_of!(__entropy_text_end));
        let entropy = size(start, end, self.entropy);
        let (start, end) = (addr_of!(__links_text_start), addr_of!(__links_text_end));
        let links = size(start, end, self.links);
        let (start, end) = (addr_of!(__pcie_text_start), addr_of!(__pcie_text_end));
        let pcie = size(start, end, self.pcie);
        let (start, end) = (addr_of!(__dma_text_start), addr_of!(__dma_text_end));
        let dma = size(start, end, self.dma);
        let (start, end) = (addr_of!(__uart_text_start), addr_of!(__uart_text_end));
        code + monitor + entropy + links + pcie + dma + size(start, end, self.uart)
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
