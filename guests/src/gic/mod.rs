//! The interrupt controller: GICv2 (IHI 0048B) or GICv3 (IHI 0069).
//!
//! Initialisation puts every interrupt into the group that the guest can use and gives it the same
//! priority, and leaves it disabled.

use crate::mmio;
use crate::tree::{self, Gic};

mod interrupt;
mod registers;
mod v2;
mod v3;

pub use interrupt::{Interrupt, Target};
pub use registers::*;

const FIRST_SPI: u32 = 32;
const SPURIOUS: u32 = 1020;

/// Returns the architecture version of the interrupt controller.
pub fn version() -> u32 {
    match tree::machine().gic {
        Gic::V2 { .. } => 2,
        Gic::V3 { .. } => 3,
    }
}

/// Initialises the distributor and this CPU's interface.
pub(crate) fn init() {
    match tree::machine().gic {
        Gic::V2 { distributor, .. } => v2::init(distributor),
        Gic::V3 { distributor, .. } => v3::init(distributor),
    }
    init_cpu();
}

/// Initialises this CPU's interface.
pub(crate) fn init_cpu() {
    match tree::machine().gic {
        Gic::V2 { distributor, cpu_interface } => v2::init_cpu(distributor, cpu_interface),
        Gic::V3 { redistributors, .. } => v3::init_cpu(redistributors),
    }
}

/// Returns the address of the frame with the registers of `intid`: the distributor or, for private
/// interrupts on GICv3, the SGI frame of this CPU's redistributor, which has the same layout.
pub fn frame(intid: u32) -> u64 {
    match tree::machine().gic {
        Gic::V2 { distributor, .. } => distributor,
        Gic::V3 { redistributors, .. } if intid < FIRST_SPI => v3::private_frame(redistributors),
        Gic::V3 { distributor, .. } => distributor,
    }
}

/// Returns the bit of `intid` in one of the registers with a bit for each interrupt.
pub fn bit(register: u64, intid: u32) -> bool {
    let address = frame(intid) + register + u64::from(intid / 32 * 4);
    // SAFETY: a register of the interrupt controller, which the tree names; reading it has no
    // effect.
    unsafe { mmio::read32(address) & (1 << (intid % 32)) != 0 }
}

/// Writes a one for `intid` to one of the set-bit and clear-bit registers.
pub fn set_bit(register: u64, intid: u32) {
    let address = frame(intid) + register + u64::from(intid / 32 * 4);
    // SAFETY: a register of the interrupt controller, which the tree names; zeros have no effect.
    unsafe { mmio::write32(address, 1 << (intid % 32)) };
}

/// Enables an interrupt; a shared one is routed to this CPU.
pub fn enable(intid: u32) {
    if intid >= FIRST_SPI {
        match tree::machine().gic {
            Gic::V2 { distributor, .. } => v2::route_here(distributor, intid),
            Gic::V3 { distributor, .. } => v3::route_here(distributor, intid),
        }
    }
    set_bit(ISENABLER, intid);
}

/// Enables an interrupt that is enabled, so that QEMU's GICv2 evaluates it again.
///
/// A level-sensitive interrupt whose line is high when it ends is pending again (IHI 0048B, 3.2.4).
/// In a partition it is deactivated through a list register, after which QEMU's GICv2 updates the
/// signal to the CPU only with the next access of any CPU that changes the physical controller, or
/// the next change of a line. The pending state in GICD_ISPENDR is correct all the time.
pub fn reevaluate(intid: u32) {
    enable(intid);
}

/// Disables an interrupt.
pub fn disable(intid: u32) {
    set_bit(ICENABLER, intid);
}

/// Sets the priority of an interrupt: lower values are more urgent.
pub fn set_priority(intid: u32, priority: u8) {
    // SAFETY: a register of the interrupt controller, which the tree names.
    unsafe { mmio::write8(frame(intid) + IPRIORITYR + u64::from(intid), priority) };
}

/// Returns the value of [`Interrupt::source`] for an SGI from the CPU with this index, which must
/// have started.
pub fn source(index: usize) -> u32 {
    match tree::machine().gic {
        Gic::V2 { .. } => v2::interface(index),
        Gic::V3 { .. } => 0,
    }
}

/// Acknowledges the most urgent pending interrupt, which is active until [`end`].
pub fn acknowledge() -> Option<Interrupt> {
    let value = match tree::machine().gic {
        Gic::V2 { cpu_interface, .. } => v2::acknowledge(cpu_interface),
        Gic::V3 { .. } => v3::acknowledge(),
    };
    let interrupt = match tree::machine().gic {
        Gic::V2 { .. } => Interrupt { intid: value & 0x3ff, source: value >> 10 & 7 },
        Gic::V3 { .. } => Interrupt { intid: value & 0xff_ffff, source: 0 },
    };
    (!(SPURIOUS..1024).contains(&interrupt.intid)).then_some(interrupt)
}

/// Ends an acknowledged interrupt.
pub fn end(interrupt: Interrupt) {
    match tree::machine().gic {
        Gic::V2 { cpu_interface, .. } => v2::end(cpu_interface, interrupt),
        Gic::V3 { .. } => v3::end(interrupt),
    }
}

/// Returns the value of GICD_SGIR or ICC_SGI1R_EL1 that sends an SGI (0 to 15).
pub fn sgi(intid: u32, target: Target) -> u64 {
    match tree::machine().gic {
        Gic::V2 { .. } => v2::sgi(intid, target).into(),
        Gic::V3 { .. } => v3::sgi(intid, target),
    }
}

/// Sends an SGI (0 to 15). The receiver sees all earlier stores of this CPU.
pub fn send(intid: u32, target: Target) {
    let value = sgi(intid, target);
    // SAFETY: only a barrier.
    unsafe { core::arch::asm!("dsb ishst", options(nostack)) };
    match tree::machine().gic {
        Gic::V2 { distributor, .. } => v2::send(distributor, value as u32),
        Gic::V3 { .. } => v3::send(value),
    }
}
