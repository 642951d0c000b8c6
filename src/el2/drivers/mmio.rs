//! Device registers. The one place where Bulkhead touches a device's memory.

use bulkhead::arch::addr::{Pa, Region};

use crate::el2::mm::mmu;

/// The widest register in bytes.
const WIDEST: u64 = 8;

/// A device's registers, mapped as device memory for as long as Bulkhead runs.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    base: u64,
    size: u64,
}

impl Registers {
    /// Maps the frame and gives access to it.
    pub fn map(frame: Region<Pa>) -> Self {
        mmu::map_device(frame);
        // Pages are mapped, so that much is there.
        Self { base: frame.start().get(), size: frame.size().next_multiple_of(WIDEST) }
    }

    /// The address of the register of `width` bytes at `offset`.
    ///
    /// # Panics
    ///
    /// When the register is not inside the frame or not aligned.
    #[inline(always)]
    fn address(&self, offset: u64, width: u64) -> u64 {
        // As the size is a multiple of each width, what begins inside ends there too.
        if !offset.is_multiple_of(width) || offset >= self.size {
            no_such_register();
        }
        self.base.wrapping_add(offset)
    }

    /// Those from `offset` on, which is a multiple of 8.
    ///
    /// # Panics
    ///
    /// When that is not inside the frame.
    pub fn from(self, offset: u64) -> Self {
        Self { base: self.address(offset, WIDEST), size: self.size - offset }
    }

    /// The 32-bit register at `offset`, checked now and not at each access.
    ///
    /// # Panics
    ///
    /// When it is not inside the frame or not aligned.
    pub fn register(&self, offset: u64) -> Register {
        Register(self.address(offset, 4))
    }

    /// Reads a 32-bit register. What reading does to the device is the caller's to know.
    pub fn read(&self, offset: u64) -> u32 {
        // SAFETY: `address` is inside a frame that `map` mapped as device memory and that the
        // machine's tree calls a device, so no Rust object lives there.
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

/// One piece of code for all accesses: a backtrace tells which it was.
#[cold]
#[inline(never)]
fn no_such_register() -> ! {
    panic!("no such register");
}

/// One 32-bit register, for where every instruction counts.
#[derive(Clone, Copy, Debug)]
pub struct Register(u64);

impl Register {
    /// Reads it.
    pub fn read(self) -> u32 {
        // SAFETY: `Registers::register` found it inside a frame; the rest as in `Registers::read`.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    /// Writes it.
    pub fn write(self, value: u32) {
        // SAFETY: as in `read`.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}
