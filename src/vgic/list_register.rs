//! List registers, through which EL2 injects interrupts into the hardware's virtual CPU interface.

use super::config::Version;
use super::virtual_timer::Treatment;

// ICH_LR<n>_EL2 (IHI 0069, 12.4.9), for INTIDs below 1024: the virtual INTID is in bits 9:0.
/// The vCPU that sent a GICv2 SGI, which the guest reads from GICC_IAR.
const SOURCE: u32 = 10;
/// The physical INTID that the guest's deactivation deactivates, if `HARDWARE` is set.
const PHYSICAL: u32 = 32;
/// If `HARDWARE` is clear: the deactivation raises a maintenance interrupt.
const EOI: u64 = 1 << 41;
/// The priority, of which 0 is the highest.
const PRIORITY: u32 = 48;
/// Group 1 instead of Group 0.
const GROUP1: u64 = 1 << 60;
/// HW: the virtual interrupt is backed by a physical one.
const HARDWARE: u64 = 1 << 61;
/// State bits.
const PENDING: u64 = 1 << 62;
const ACTIVE: u64 = 1 << 63;

// Bits that are RES0 in ICH_LR<n>_EL2 and beyond GICH_LR<n>. They mark the virtual timer's interrupt
// where its value is kept, and are in no list register.
/// EL2 masks the timer, or observes it if `OBSERVED` is set too.
pub(super) const TREATED: u64 = 1 << 59;
/// EL2 observes the timer.
pub(super) const OBSERVED: u64 = 1 << 58;

// GICH_LR<n> (IHI 0048B, 5.3.11) has the same fields at other bits.
/// The virtual INTID, and the source of an SGI.
const V2_VIRTUAL: u32 = 0x3ff;
const V2_SOURCE: u32 = 0x7 << 10;
/// The physical INTID, whose highest bit is EOI if there is none, in both layouts.
const V2_PHYSICAL: u32 = 0x3ff << 10;
const V2_EOI: u32 = 1 << 19;
/// The upper five bits of the priority.
const V2_PRIORITY: u32 = 0x1f << 23;
/// The state bits.
const V2_STATE: u32 = 0b11 << 28;
const V2_PENDING: u64 = 1 << 28;
/// Group 1 and HW.
const V2_KIND: u32 = 0b11 << 30;
const V2_HARDWARE: u32 = 1 << 31;
// How far each field is below its position in ICH_LR<n>_EL2.
const PHYSICAL_SHIFT: u32 = 22;
const PRIORITY_SHIFT: u32 = 28;
const STATE_SHIFT: u32 = 34;
const KIND_SHIFT: u32 = 30;

/// The value of a list register, in the layout of `ICH_LR<n>_EL2`.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct ListRegister(u64);

impl ListRegister {
    /// The value without an interrupt.
    pub const EMPTY: Self = Self(0);

    /// Converts a value of `ICH_LR<n>_EL2`.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the value for `ICH_LR<n>_EL2`.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Returns the value for an inactive interrupt in Group 0 of the highest priority; if
    /// `is_hardware`, backed by the physical interrupt of the same INTID.
    pub(super) fn new(intid: u32, is_hardware: bool) -> Self {
        let intid = u64::from(intid);
        Self(if is_hardware { HARDWARE | intid << PHYSICAL | intid } else { intid })
    }

    /// Returns the value with this priority.
    pub(super) fn with_priority(self, priority: u8) -> Self {
        Self(self.0 & !(0xff << PRIORITY) | u64::from(priority) << PRIORITY)
    }

    /// Returns the value with this group.
    pub(super) fn with_group1(self, group1: bool) -> Self {
        Self(self.0 & !GROUP1 | if group1 { GROUP1 } else { 0 })
    }

    /// Returns the value, that of the virtual timer's interrupt, with the marks for this treatment.
    pub(super) fn with_treatment(self, treatment: Treatment) -> Self {
        let value = self.0 & !(TREATED | OBSERVED);
        Self(match treatment {
            Treatment::Plain => value,
            Treatment::Mask => value | TREATED,
            Treatment::Observe => value | TREATED | OBSERVED,
        })
    }

    /// Returns the value of an inactive interrupt with this state, without marks.
    pub(super) fn with_state(self, pending: bool, active: bool) -> Self {
        let value = self.0 & !(TREATED | OBSERVED);
        Self(value | if pending { PENDING } else { 0 } | if active { ACTIVE } else { 0 })
    }

    /// Returns the value of an SGI with this source, 0 to 7.
    pub(super) fn with_source(self, source: u8) -> Self {
        Self(self.0 | u64::from(source) << SOURCE)
    }

    /// Returns the value with a maintenance interrupt on deactivation. Not for hardware interrupts.
    pub(super) fn with_eoi(self) -> Self {
        Self(self.0 | EOI)
    }

    /// Returns the value of an inactive interrupt as pending, in the layout of this version's list
    /// register, with its marks. On GICv2 only for hardware interrupts and SGIs from vCPU 0. Cheaper than
    /// [`to_v2`](Self::to_v2), since it runs each time the guest enables an interrupt.
    #[inline(always)]
    #[must_use]
    pub(super) fn arriving(self, version: Version) -> u64 {
        match version {
            Version::V2 => {
                let (intid, priority, kind) = (self.0 & 0x3ff, self.0 >> 51 & 0x1f, self.0 >> 60);
                let physical = if intid < 16 { 0 } else { intid << 10 };
                let marks = self.0 & (TREATED | OBSERVED);
                intid | physical | priority << 23 | V2_PENDING | kind << 30 | marks
            }
            Version::V3 => self.0 | PENDING,
        }
    }

    /// Converts the value to the layout of `GICH_LR<n>`.
    #[must_use]
    pub fn to_v2(self) -> u32 {
        let field = |shift: u32, mask: u32| (self.0 >> shift) as u32 & mask;
        field(0, V2_VIRTUAL | V2_SOURCE)
            | field(PHYSICAL_SHIFT, V2_PHYSICAL)
            | field(PRIORITY_SHIFT, V2_PRIORITY)
            | field(STATE_SHIFT, V2_STATE)
            | field(KIND_SHIFT, V2_KIND)
    }

    /// Converts a value of `GICH_LR<n>`.
    pub fn from_v2(value: u32) -> Self {
        let field = |shift: u32, mask: u32| u64::from(value & mask) << shift;
        let physical = match value & V2_HARDWARE {
            0 => field(0, V2_SOURCE) | field(PHYSICAL_SHIFT, V2_EOI),
            _ => field(PHYSICAL_SHIFT, V2_PHYSICAL),
        };
        let state = field(STATE_SHIFT, V2_STATE) | field(KIND_SHIFT, V2_KIND);
        Self(field(0, V2_VIRTUAL) | physical | field(PRIORITY_SHIFT, V2_PRIORITY) | state)
    }

    /// Returns whether the interrupt is pending, active or not.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        self.0 & PENDING != 0
    }

    /// Returns whether the interrupt is active, pending or not.
    #[must_use]
    pub const fn is_active(self) -> bool {
        self.0 & ACTIVE != 0
    }

    /// Returns the priority, of which 0 is the highest.
    #[must_use]
    pub const fn priority(self) -> u8 {
        (self.0 >> PRIORITY) as u8
    }

    /// Returns the vCPU that sent a GICv2 SGI; 0 for other interrupts.
    #[must_use]
    pub const fn source(self) -> u8 {
        (self.0 >> SOURCE) as u8 & 7
    }
}

#[cfg(test)]
#[path = "tests/list_register.rs"]
mod tests;
