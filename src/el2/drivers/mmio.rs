//! Access to device registers. All loads and stores to devices are made here.

use bulkhead::arch::addr::{Pa, Region};
use core::marker::PhantomData;

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

    /// Returns the address of the register of type `T` at `offset`.
    ///
    /// # Panics
    ///
    /// If the register is not inside the frame or not aligned.
    #[inline(always)]
    fn address<T>(&self, offset: u64) -> CheckedAddress<T> {
        let width = size_of::<T>() as u64;
        // The size is a multiple of each width, so a register that starts inside ends inside.
        if !offset.is_multiple_of(width) || offset >= self.size {
            no_such_register();
        }
        CheckedAddress(self.base.wrapping_add(offset), PhantomData)
    }

    /// Returns the address of the frame, which is also its physical one.
    #[inline(always)]
    pub fn start(&self) -> Pa {
        Pa::new(self.base)
    }

    /// Returns the part of the frame from `offset`, a multiple of 8, to the end.
    ///
    /// # Panics
    ///
    /// If `offset` is not inside the frame or not aligned.
    pub fn from(self, offset: u64) -> Self {
        let CheckedAddress(base, _) = self.address::<u64>(offset);
        Self { base, size: self.size - offset }
    }

    /// Returns the 32-bit register at `offset`. The offset is checked here and not at each access.
    ///
    /// # Panics
    ///
    /// If the register is not inside the frame or not aligned.
    pub fn register(&self, offset: u64) -> Register {
        Register(self.address(offset))
    }

    /// Returns the register at `offset` with this number of bytes: 1, 2 or 4. The offset is checked
    /// here and not at each access.
    ///
    /// # Panics
    ///
    /// If the register is not inside the frame or not aligned.
    pub fn register_of(&self, offset: u64, bytes: u64) -> AnyRegister {
        match bytes {
            1 => AnyRegister(AnyAddress::Byte(self.address(offset))),
            2 => AnyRegister(AnyAddress::Half(self.address(offset))),
            _ => AnyRegister(AnyAddress::Word(self.address(offset))),
        }
    }

    /// Reads a 32-bit register.
    ///
    /// # Panics
    ///
    /// Like all accesses, if the register is not inside the frame or not aligned.
    pub fn read(&self, offset: u64) -> u32 {
        self.address::<u32>(offset).load()
    }

    /// Writes a 32-bit register.
    pub fn write(&self, offset: u64, value: u32) {
        self.address::<u32>(offset).store(value);
    }

    /// Writes an 8-bit register.
    pub fn write_byte(&self, offset: u64, value: u8) {
        self.address::<u8>(offset).store(value);
    }

    /// Reads a 64-bit register.
    pub fn read_long(&self, offset: u64) -> u64 {
        self.address::<u64>(offset).load()
    }

    /// Writes a 64-bit register.
    pub fn write_long(&self, offset: u64, value: u64) {
        self.address::<u64>(offset).store(value);
    }
}

/// Panics because a register is outside its frame or not aligned. One function for all accesses;
/// the backtrace shows the caller.
#[cold]
#[inline(never)]
fn no_such_register() -> ! {
    panic!("a register is outside its frame or not aligned");
}

/// The address of a register that [`Registers::address`], which alone makes values of this type,
/// found to be inside its frame and aligned for `T`.
#[derive(Clone, Copy, Debug)]
struct CheckedAddress<T>(u64, PhantomData<T>);

impl<T> CheckedAddress<T> {
    #[inline(always)]
    fn load(self) -> T {
        // SAFETY: the register is aligned and inside a frame that is mapped and holds no Rust
        // object, by the conditions of `Registers::new`. `T` is an integer, of any bits.
        unsafe { (self.0 as *const T).read_volatile() }
    }

    #[inline(always)]
    fn store(self, value: T) {
        // SAFETY: as in `load`.
        unsafe { (self.0 as *mut T).write_volatile(value) }
    }
}

/// A 32-bit register whose offset has been checked, for hot paths.
#[derive(Clone, Copy, Debug)]
pub struct Register(CheckedAddress<u32>);

impl Register {
    /// Reads the register.
    pub fn read(self) -> u32 {
        self.0.load()
    }

    /// Writes the register.
    pub fn write(self, value: u32) {
        self.0.store(value);
    }
}

/// A register of 8, 16 or 32 bits whose offset has been checked.
#[derive(Clone, Copy, Debug)]
pub struct AnyRegister(AnyAddress);

#[derive(Clone, Copy, Debug)]
enum AnyAddress {
    Byte(CheckedAddress<u8>),
    Half(CheckedAddress<u16>),
    Word(CheckedAddress<u32>),
}

impl AnyRegister {
    /// Reads the register.
    #[inline(always)]
    pub fn read(self) -> u32 {
        match self.0 {
            AnyAddress::Byte(address) => address.load().into(),
            AnyAddress::Half(address) => address.load().into(),
            AnyAddress::Word(address) => address.load(),
        }
    }

    /// Writes the low bits of `value` to the register, as many as it has.
    #[inline(always)]
    pub fn write(self, value: u32) {
        match self.0 {
            AnyAddress::Byte(address) => address.store(value as u8),
            AnyAddress::Half(address) => address.store(value as u16),
            AnyAddress::Word(address) => address.store(value),
        }
    }
}
