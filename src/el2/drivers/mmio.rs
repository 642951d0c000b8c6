//! Access to device registers. All loads and stores to devices are made here.

use bulkhead::arch::addr::{Pa, Region};

/// The width of the widest register, in bytes.
const WIDEST: u64 = 8;

/// A frame of a device's registers, which stays mapped as Device memory.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    base: u64,
    size: u64,
}

impl Registers {
    /// Returns access to a frame of registers.
    ///
    /// # Safety
    ///
    /// - All pages that the frame touches must be mapped as Device memory, and stay mapped.
    /// - They must hold a device's registers and no Rust object.
    pub unsafe fn new(frame: Region<Pa>) -> Self {
        // `frame` is mapped in whole pages, so its size can be rounded up.
        Self { base: frame.start().get(), size: frame.size().next_multiple_of(WIDEST) }
    }

    /// Returns the address of the register of `width` bytes at `offset`.
    ///
    /// # Panics
    ///
    /// If the register is not inside the frame or not aligned.
    #[inline(always)]
    fn address(&self, offset: u64, width: u64) -> u64 {
        // The size is a multiple of each width, so a register that starts inside ends inside.
        if !offset.is_multiple_of(width) || offset >= self.size {
            no_such_register();
        }
        self.base.wrapping_add(offset)
    }

    /// Returns the part of the frame from `offset`, a multiple of 8, to the end.
    ///
    /// # Panics
    ///
    /// If `offset` is not inside the frame or not aligned.
    pub fn from(self, offset: u64) -> Self {
        Self { base: self.address(offset, WIDEST), size: self.size - offset }
    }

    /// Returns the 32-bit register at `offset`. The offset is checked here and not at each access.
    ///
    /// # Panics
    ///
    /// If the register is not inside the frame or not aligned.
    pub fn register(&self, offset: u64) -> Register {
        Register(self.address(offset, 4))
    }

    /// Reads a 32-bit register.
    ///
    /// # Panics
    ///
    /// Like all accesses, if the register is not inside the frame or not aligned.
    pub fn read(&self, offset: u64) -> u32 {
        // SAFETY: `address` checked that the register is inside the frame, which is mapped and
        // holds no Rust object by the conditions of `new`.
        unsafe { (self.address(offset, 4) as *const u32).read_volatile() }
    }

    /// Writes a 32-bit register.
    pub fn write(&self, offset: u64, value: u32) {
        // SAFETY: as in `read`.
        unsafe { (self.address(offset, 4) as *mut u32).write_volatile(value) }
    }

    /// Writes an 8-bit register.
    pub fn write_byte(&self, offset: u64, value: u8) {
        // SAFETY: as in `read`.
        unsafe { (self.address(offset, 1) as *mut u8).write_volatile(value) }
    }

    /// Reads a 64-bit register.
    pub fn read_long(&self, offset: u64) -> u64 {
        // SAFETY: as in `read`.
        unsafe { (self.address(offset, 8) as *const u64).read_volatile() }
    }

    /// Writes a 64-bit register.
    pub fn write_long(&self, offset: u64, value: u64) {
        // SAFETY: as in `read`.
        unsafe { (self.address(offset, 8) as *mut u64).write_volatile(value) }
    }
}

/// Panics because a register is outside its frame or not aligned. One function for all accesses;
/// the backtrace shows the caller.
#[cold]
#[inline(never)]
fn no_such_register() -> ! {
    panic!("a register is outside its frame or not aligned");
}

/// A 32-bit register whose offset has been checked, for hot paths.
#[derive(Clone, Copy, Debug)]
pub struct Register(u64);

impl Register {
    /// Reads the register.
    pub fn read(self) -> u32 {
        // SAFETY: `Registers::register`, which alone makes values of this type, checked that it is
        // inside a frame; see `Registers::read`.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    /// Writes the register.
    pub fn write(self, value: u32) {
        // SAFETY: as in `read`.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}
