//! List registers: how a virtual interrupt is handed to the hardware's virtual CPU interface.

use super::config::Version;

// ICH_LR<n>_EL2 (IHI 0069, 12.4.9), for interrupts below 1024: the INTID that the guest
// acknowledges is in bits 9:0.
/// The CPU that sent a GICv2 SGI, as the guest reads it from GICC_IAR.
const SOURCE: u32 = 10;
/// The physical INTID that the guest's deactivation deactivates, where `HARDWARE` is set.
const PHYSICAL: u32 = 32;
/// Where `HARDWARE` is clear: the end of the interrupt raises a maintenance interrupt.
const EOI: u64 = 1 << 41;
/// 0 is the highest priority.
const PRIORITY: u32 = 48;
const GROUP1: u64 = 1 << 60;
/// There is a physical interrupt behind the virtual one.
const HARDWARE: u64 = 1 << 61;
const PENDING: u64 = 1 << 62;
const ACTIVE: u64 = 1 << 63;

// GICH_LR<n> (IHI 0048B, 5.3.11) has the same fields in other places.
/// The INTID, and the source of an SGI.
const V2_VIRTUAL: u32 = 0x3ff;
const V2_SOURCE: u32 = 0x7 << 10;
/// The physical INTID; the highest bit of it is `EOI` where there is none, in both layouts.
const V2_PHYSICAL: u32 = 0x3ff << 10;
const V2_EOI: u32 = 1 << 19;
/// The upper five bits of the eight.
const V2_PRIORITY: u32 = 0x1f << 23;
/// Pending and active.
const V2_STATE: u32 = 0b11 << 28;
const V2_PENDING: u64 = 1 << 28;
/// Group 1 and hardware.
const V2_KIND: u32 = 0b11 << 30;
const V2_HARDWARE: u32 = 1 << 31;
// How far each is from its place in ICH_LR<n>_EL2.
const PHYSICAL_SHIFT: u32 = 22;
const PRIORITY_SHIFT: u32 = 28;
const STATE_SHIFT: u32 = 34;
const KIND_SHIFT: u32 = 30;

/// What a list register holds, in the layout of `ICH_LR<n>_EL2`.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct ListRegister(u64);

impl ListRegister {
    /// A list register that holds no interrupt.
    pub const EMPTY: Self = Self(0);

    /// The list register with this value of `ICH_LR<n>_EL2`.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The value for `ICH_LR<n>_EL2`.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Interrupt `intid` of Group 0 and the highest priority, neither pending nor active yet; with
    /// the physical one of the same number behind it, or none.
    pub(super) fn new(intid: u32, is_hardware: bool) -> Self {
        let intid = u64::from(intid);
        Self(if is_hardware { HARDWARE | intid << PHYSICAL | intid } else { intid })
    }

    /// The same with another priority.
    pub(super) fn with_priority(self, priority: u8) -> Self {
        Self(self.0 & !(0xff << PRIORITY) | u64::from(priority) << PRIORITY)
    }

    /// The same in Group 1, or Group 0.
    pub(super) fn with_group1(self, group1: bool) -> Self {
        Self(self.0 & !GROUP1 | if group1 { GROUP1 } else { 0 })
    }

    /// The same, neither pending nor active before, in this state.
    pub(super) fn with_state(self, pending: bool, active: bool) -> Self {
        Self(self.0 | if pending { PENDING } else { 0 } | if active { ACTIVE } else { 0 })
    }

    /// The same for an SGI from this CPU, below 8.
    pub(super) fn with_source(self, source: u8) -> Self {
        Self(self.0 | u64::from(source) << SOURCE)
    }

    /// The same with a maintenance interrupt at its end; only without a physical interrupt.
    pub(super) fn with_eoi(self) -> Self {
        Self(self.0 | EOI)
    }

    /// The same, neither pending nor active before, as pending, in the layout of this version's hardware. On
    /// GICv2 only for one with a physical interrupt behind it, or an SGI from vCPU 0. Made each time an
    /// interrupt is enabled, so in fewer steps than [`to_v2`](Self::to_v2) needs for any.
    #[inline(always)]
    #[must_use]
    pub(super) fn arriving(self, version: Version) -> u64 {
        match version {
            Version::V2 => {
                let (intid, priority, kind) = (self.0 & 0x3ff, self.0 >> 51 & 0x1f, self.0 >> 60);
                let physical = if intid < 16 { 0 } else { intid << 10 };
                intid | physical | priority << 23 | V2_PENDING | kind << 30
            }
            Version::V3 => self.0 | PENDING,
        }
    }

    /// The value of `GICH_LR<n>` that means the same.
    #[must_use]
    pub fn to_v2(self) -> u32 {
        let field = |shift: u32, mask: u32| (self.0 >> shift) as u32 & mask;
        field(0, V2_VIRTUAL | V2_SOURCE)
            | field(PHYSICAL_SHIFT, V2_PHYSICAL)
            | field(PRIORITY_SHIFT, V2_PRIORITY)
            | field(STATE_SHIFT, V2_STATE)
            | field(KIND_SHIFT, V2_KIND)
    }

    /// The list register that means the same as this value of `GICH_LR<n>`.
    pub fn from_v2(value: u32) -> Self {
        let field = |shift: u32, mask: u32| u64::from(value & mask) << shift;
        let behind = match value & V2_HARDWARE {
            0 => field(0, V2_SOURCE) | field(PHYSICAL_SHIFT, V2_EOI),
            _ => field(PHYSICAL_SHIFT, V2_PHYSICAL),
        };
        let state = field(STATE_SHIFT, V2_STATE) | field(KIND_SHIFT, V2_KIND);
        Self(field(0, V2_VIRTUAL) | behind | field(PRIORITY_SHIFT, V2_PRIORITY) | state)
    }

    /// Whether the interrupt is pending (perhaps active too).
    #[must_use]
    pub const fn is_pending(self) -> bool {
        self.0 & PENDING != 0
    }

    /// Whether the interrupt is active (perhaps pending too).
    #[must_use]
    pub const fn is_active(self) -> bool {
        self.0 & ACTIVE != 0
    }

    /// The priority: 0 is the highest.
    #[must_use]
    pub const fn priority(self) -> u8 {
        (self.0 >> PRIORITY) as u8
    }

    /// The CPU that sent a GICv2 SGI; 0 for anything else.
    #[must_use]
    pub const fn source(self) -> u8 {
        (self.0 >> SOURCE) as u8 & 7
    }
}

#[cfg(test)]
#[path = "tests/list_register.rs"]
mod tests;
