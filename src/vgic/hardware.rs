//! The interface to the machine's GIC.

use super::intid_set::IntidSet;
use super::list_register::ListRegister;

// Bits of ICH_HCR_EL2 (IHI 0069, 12.4.7) and GICH_HCR (IHI 0048B, 5.3.1) that this module controls.
// The layouts are the same, except that GICv2 has no `TDIR`.
/// LRENPIE: maintenance interrupt after an EOI of an interrupt that no list register holds.
pub(super) const HCR_LRENPIE: u32 = 1 << 2;
/// NPIE: maintenance interrupt while no list register is pending.
pub(super) const HCR_NPIE: u32 = 1 << 3;
/// VGrp0EIE, VGrp1EIE: maintenance interrupt while the guest's CPU interface enables the group.
pub(super) const HCR_GROUP_ENABLED: [u32; 2] = [1 << 4, 1 << 6];
/// VGrp0DIE, VGrp1DIE: maintenance interrupt while the guest's CPU interface disables the group.
pub(super) const HCR_GROUP_DISABLED: [u32; 2] = [1 << 5, 1 << 7];
/// The bits for a maintenance interrupt on a change of the group enables, by the groups that are
/// enabled: none, Group 0, Group 1, or both.
pub(super) const HCR_GROUP_CHANGED: [u32; 4] = [
    HCR_GROUP_ENABLED[0] | HCR_GROUP_ENABLED[1],
    HCR_GROUP_DISABLED[0] | HCR_GROUP_ENABLED[1],
    HCR_GROUP_ENABLED[0] | HCR_GROUP_DISABLED[1],
    HCR_GROUP_DISABLED[0] | HCR_GROUP_DISABLED[1],
];
/// TDIR: the guest's writes to ICC_DIR_EL1 trap.
pub(super) const HCR_TDIR: u32 = 1 << 14;

/// The registers that set or clear a state bit for each bit that is written as one.
///
/// The value is the offset in the distributor and in the redistributor's SGI_base frame (IHI 0069,
/// 12.8 and 12.10), in units of 0x80 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum StateRegister {
    /// ISENABLER.
    SetEnable = 2,
    /// ICENABLER.
    ClearEnable = 3,
    /// ISPENDR.
    SetPending = 4,
    /// ICPENDR.
    ClearPending = 5,
    /// ISACTIVER.
    SetActive = 6,
    /// ICACTIVER.
    ClearActive = 7,
}

impl StateRegister {
    /// Returns the offset of the register for a set's word, in bytes.
    #[inline(always)]
    #[must_use]
    pub const fn of(self, set: IntidSet) -> u64 {
        (self as u64) * 0x80 + set.word() as u64 * 4
    }

    /// Returns whether this is ISPENDR or ICPENDR.
    pub(super) fn is_pending(self) -> bool {
        matches!(self, Self::SetPending | Self::ClearPending)
    }
}

/// A vCPU's physical CPU, with its view of the machine's GIC.
///
/// The methods up to [`group_enables`](Self::group_enables) access this CPU's virtual interface.
/// The others access physical interrupts that the partition owns, by the guest's INTIDs. Private
/// interrupts are those of the physical CPU of the set's owner: on GICv3 any CPU of the partition,
/// through its redistributor; on GICv2 always the calling CPU.
pub trait Hardware {
    /// Returns the vCPU that runs on this physical CPU.
    fn vcpu(&self) -> usize;

    /// Returns the number of list registers: 1 to 16.
    fn list_registers(&self) -> usize;

    /// Returns the SGIs that a physical SGI of the same number can transport from vCPU to vCPU, one
    /// bit each.
    fn physical_sgis(&self) -> u16;

    /// Clears the pending state of these physical SGIs on this CPU.
    fn clear_sgis(&mut self);

    /// Reads list register `index`, which is below [`list_registers`](Self::list_registers).
    fn read_list_register(&mut self, index: usize) -> ListRegister;

    /// Writes list register `index`.
    fn write_list_register(&mut self, index: usize, value: ListRegister);

    /// Reads ICH_ELRSR_EL2 or GICH_ELRSR0: the list registers that hold no interrupt and have no
    /// EOI maintenance interrupt pending, one bit each. Bits beyond the last list register are
    /// zero.
    fn empty_list_registers(&mut self) -> u32;

    /// Writes bits 7:2 of the hypervisor control register, ICH_HCR_EL2 or GICH_HCR, and on GICv3
    /// bit 14 (TDIR), and clears EOIcount. EL2 controls the other bits.
    fn set_maintenance(&mut self, bits: u32);

    /// Reads and clears EOIcount of the hypervisor control register.
    fn take_eoi_count(&mut self) -> u32;

    /// Returns the groups that the guest enabled at its CPU interface, bit 0 for Group 0 and bit 1
    /// for Group 1: VENG0 and VENG1 of ICH_VMCR_EL2, VMGrp0En and VMGrp1En of GICH_VMCR.
    fn group_enables(&mut self) -> u32;

    /// Writes the set's mask to a register of the physical GIC.
    fn write_state(&mut self, register: StateRegister, set: IntidSet);

    /// Reads the register of the physical GIC for the set's whole word.
    fn read_state(&mut self, register: StateRegister, set: IntidSet) -> u32;

    /// Sets the physical priority of the interrupt at this bit of the set's word to the one that
    /// [`Priorities::of_guest`](super::Priorities::of_guest) returns for the guest's priority.
    fn set_priority(&mut self, set: IntidSet, bit: usize, priority: u8);

    /// Makes the interrupts of the set edge-triggered where `edge` has a one, level-sensitive
    /// elsewhere. Returns the resulting triggers of the whole word, which some implementations fix.
    fn set_edge(&mut self, set: IntidSet, edge: u32) -> u32;

    /// Routes SPI `intid` to the physical CPU of `vcpu`.
    fn route(&mut self, intid: usize, vcpu: usize);
}
