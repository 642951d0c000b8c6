//! List registers: how a virtual interrupt is handed to the hardware's virtual CPU interface.

use tock_registers::LocalRegisterCopy;
use tock_registers::fields::FieldValue;
use tock_registers::register_bitfields;

register_bitfields! {u64,
    /// ICH_LR<n>_EL2 (IHI 0069, 12.4.9), for interrupts below 1024.
    pub(super) LR [
        /// The INTID that the guest acknowledges.
        VIRTUAL OFFSET(0) NUMBITS(10) [],
        /// The CPU that sent a GICv2 SGI, as the guest reads it from GICC_IAR.
        SOURCE OFFSET(10) NUMBITS(3) [],
        /// The physical INTID that the guest's deactivation deactivates, where `HARDWARE` is set.
        PHYSICAL OFFSET(32) NUMBITS(10) [],
        /// Where `HARDWARE` is clear: the end of the interrupt raises a maintenance interrupt.
        EOI OFFSET(41) NUMBITS(1) [],
        /// 0 is the highest priority.
        PRIORITY OFFSET(48) NUMBITS(8) [],
        /// Whether the interrupt is in Group 1.
        GROUP1 OFFSET(60) NUMBITS(1) [],
        /// Whether there is a physical interrupt behind the virtual one.
        HARDWARE OFFSET(61) NUMBITS(1) [],
        /// Whether the interrupt is pending.
        PENDING OFFSET(62) NUMBITS(1) [],
        /// Whether the interrupt is active.
        ACTIVE OFFSET(63) NUMBITS(1) [],
    ]
}

register_bitfields! {u32,
    /// GICH_LR<n> (IHI 0048B, 5.3.11).
    LR_V2 [
        VIRTUAL OFFSET(0) NUMBITS(10) [],
        PHYSICAL OFFSET(10) NUMBITS(10) [],
        SOURCE OFFSET(10) NUMBITS(3) [],
        EOI OFFSET(19) NUMBITS(1) [],
        /// The upper five bits of the eight.
        PRIORITY OFFSET(23) NUMBITS(5) [],
        PENDING OFFSET(28) NUMBITS(1) [],
        ACTIVE OFFSET(29) NUMBITS(1) [],
        GROUP1 OFFSET(30) NUMBITS(1) [],
        HARDWARE OFFSET(31) NUMBITS(1) [],
    ]
}

/// What a list register holds, in the layout of `ICH_LR<n>_EL2`.
#[derive(Clone, Copy, Debug)]
pub struct ListRegister(LocalRegisterCopy<u64, LR::Register>);

impl ListRegister {
    /// A list register that holds no interrupt.
    pub const EMPTY: Self = Self(LocalRegisterCopy::new(0));

    /// The list register with this value of `ICH_LR<n>_EL2`.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(LocalRegisterCopy::new(bits))
    }

    /// The value for `ICH_LR<n>_EL2`.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0.get()
    }

    /// Interrupt `intid` of Group 0 and the highest priority, neither pending nor active yet; with
    /// the physical one of the same number behind it, or none.
    #[must_use]
    pub(super) fn new(intid: u32, is_hardware: bool) -> Self {
        let behind = if is_hardware {
            LR::HARDWARE::SET + LR::PHYSICAL.val(u64::from(intid))
        } else {
            LR::HARDWARE::CLEAR
        };
        Self::EMPTY.with(LR::VIRTUAL.val(u64::from(intid)) + behind)
    }

    /// The same with some fields changed.
    #[must_use]
    pub(super) fn with(mut self, fields: FieldValue<u64, LR::Register>) -> Self {
        self.0.modify(fields);
        self
    }

    /// The value of `GICH_LR<n>` that means the same.
    #[must_use]
    pub fn to_v2(self) -> u32 {
        let lr = self.0;
        let field = |f| lr.read(f) as u32;
        let behind = if lr.is_set(LR::HARDWARE) {
            LR_V2::PHYSICAL.val(field(LR::PHYSICAL))
        } else {
            LR_V2::SOURCE.val(field(LR::SOURCE)) + LR_V2::EOI.val(field(LR::EOI))
        };
        (LR_V2::VIRTUAL.val(field(LR::VIRTUAL))
            + behind
            + LR_V2::PRIORITY.val(field(LR::PRIORITY) >> 3)
            + LR_V2::PENDING.val(field(LR::PENDING))
            + LR_V2::ACTIVE.val(field(LR::ACTIVE))
            + LR_V2::GROUP1.val(field(LR::GROUP1))
            + LR_V2::HARDWARE.val(field(LR::HARDWARE)))
        .value
    }

    /// The list register that means the same as this value of `GICH_LR<n>`.
    #[must_use]
    pub fn from_v2(value: u32) -> Self {
        let lr = LocalRegisterCopy::<u32, LR_V2::Register>::new(value);
        let field = |f| u64::from(lr.read(f));
        let behind = if lr.is_set(LR_V2::HARDWARE) {
            LR::PHYSICAL.val(field(LR_V2::PHYSICAL))
        } else {
            LR::SOURCE.val(field(LR_V2::SOURCE)) + LR::EOI.val(field(LR_V2::EOI))
        };
        Self::EMPTY.with(
            LR::VIRTUAL.val(field(LR_V2::VIRTUAL))
                + behind
                + LR::PRIORITY.val(field(LR_V2::PRIORITY) << 3)
                + LR::PENDING.val(field(LR_V2::PENDING))
                + LR::ACTIVE.val(field(LR_V2::ACTIVE))
                + LR::GROUP1.val(field(LR_V2::GROUP1))
                + LR::HARDWARE.val(field(LR_V2::HARDWARE)),
        )
    }

    /// Whether the interrupt is pending (perhaps active too).
    #[must_use]
    pub fn is_pending(self) -> bool {
        self.0.is_set(LR::PENDING)
    }

    /// Whether the interrupt is active (perhaps pending too).
    #[must_use]
    pub fn is_active(self) -> bool {
        self.0.is_set(LR::ACTIVE)
    }

    /// The priority: 0 is the highest.
    #[must_use]
    pub fn priority(self) -> u8 {
        self.0.read(LR::PRIORITY) as u8
    }

    /// The CPU that sent a GICv2 SGI; 0 for anything else.
    #[must_use]
    pub fn source(self) -> u8 {
        self.0.read(LR::SOURCE) as u8
    }
}

#[cfg(test)]
#[path = "tests/list_register.rs"]
mod tests;
