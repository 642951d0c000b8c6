//! What the virtual GIC needs of the machine's GIC.

use super::intid_set::IntidSet;
use super::list_register::ListRegister;

// The part of ICH_HCR_EL2 (IHI 0069, 12.4.7) and GICH_HCR (IHI 0048B, 5.3.1) that the virtual GIC
// decides. The layouts agree, but that GICv2 has no `TDIR`.
/// An EOI of an interrupt that no list register holds raises the maintenance interrupt.
pub(super) const HCR_LRENPIE: u32 = 1 << 1;
/// So does the absence of pending interrupts from the list registers.
pub(super) const HCR_NPIE: u32 = 1 << 3;
/// So does each group that the guest has enabled at its CPU interface.
pub(super) const HCR_GROUP_ENABLED: [u32; 2] = [1 << 4, 1 << 6];
/// So does each group that it has disabled.
pub(super) const HCR_GROUP_DISABLED: [u32; 2] = [1 << 5, 1 << 7];
/// What tells of a change, by the groups that are enabled: none, Group 0, Group 1, or both.
pub(super) const HCR_GROUP_CHANGED: [u32; 4] = [
    HCR_GROUP_ENABLED[0] | HCR_GROUP_ENABLED[1],
    HCR_GROUP_DISABLED[0] | HCR_GROUP_ENABLED[1],
    HCR_GROUP_ENABLED[0] | HCR_GROUP_DISABLED[1],
    HCR_GROUP_DISABLED[0] | HCR_GROUP_DISABLED[1],
];
/// The guest's writes to ICC_DIR_EL1 trap.
pub(super) const HCR_TDIR: u32 = 1 << 14;

/// The registers that hold one bit for each interrupt, and change those bits that are written as 1.
///
/// The value is the register's offset in the distributor's frame, and in the redistributor's SGI
/// frame (IHI 0069, 12.8 and 12.10), in units of 0x80 bytes.
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
    /// The offset of the one for these interrupts.
    #[inline(always)]
    #[must_use]
    pub const fn of(self, set: IntidSet) -> u64 {
        (self as u64) * 0x80 + set.word() as u64 * 4
    }

    /// Whether it is ISPENDR or ICPENDR.
    pub(super) fn is_pending(self) -> bool {
        matches!(self, Self::SetPending | Self::ClearPending)
    }
}

/// A vCPU's physical CPU, and the machine's GIC as that CPU sees it.
///
/// The first group of methods is about this CPU's own virtual interface. The second is about
/// physical interrupts that the partition owns, with the number that the guest knows them by. Private
/// ones are those of their owner's physical CPU: on GICv3 any one of the partition, by its redistributor; on
/// GICv2 always the CPU that calls.
pub trait Hardware {
    /// The vCPU whose physical CPU this is.
    fn vcpu(&self) -> usize;

    /// How many list registers there are: 1 to 16.
    fn list_registers(&self) -> usize;

    /// A bit for each SGI that a physical one of the same number may stand for, on its way from vCPU to
    /// vCPU.
    fn physical_sgis(&self) -> u16;

    /// Forgets such physical SGIs that are pending on this CPU.
    fn clear_sgis(&mut self);

    /// Reads list register `index`, which is below [`list_registers`](Self::list_registers).
    fn read_list_register(&mut self, index: usize) -> ListRegister;

    /// Writes list register `index`.
    fn write_list_register(&mut self, index: usize, value: ListRegister);

    /// ICH_ELRSR_EL2 or GICH_ELRSR0: which list registers can be used without losing anything.
    /// Bits past the last list register are zero.
    fn empty_list_registers(&mut self) -> u32;

    /// Makes these bits 7:2 and 14 (TDIR, which GICv2 lacks) those of the hypervisor control
    /// register, ICH_HCR_EL2 or GICH_HCR, and EOIcount zero. Its others are EL2's own.
    fn set_maintenance(&mut self, bits: u32);

    /// EOIcount of the hypervisor control register, which becomes zero.
    fn take_eoi_count(&mut self) -> u32;

    /// Which groups the guest has enabled at its CPU interface, bit 0 for Group 0 and bit 1 for Group 1:
    /// VENG0 and VENG1 of ICH_VMCR_EL2, VMGrp0En and VMGrp1En of GICH_VMCR.
    fn group_enables(&mut self) -> u32;

    /// Writes the set's bits to a register of the physical GIC.
    fn write_state(&mut self, register: StateRegister, set: IntidSet);

    /// Reads the bits of the set's whole word from a register of the physical GIC.
    fn read_state(&mut self, register: StateRegister, set: IntidSet) -> u32;

    /// Gives the interrupt at this bit of the set's word a priority of the guest's: see
    /// [`Priorities`](super::Priorities).
    fn set_priority(&mut self, set: IntidSet, bit: usize, priority: u8);

    /// Makes the interrupts of the set edge-triggered where `edge` has a one and level-sensitive
    /// elsewhere, and returns what those of its whole word are then: some implementations fix it.
    fn set_edge(&mut self, set: IntidSet, edge: u32) -> u32;

    /// Routes shared interrupt number `intid` to `vcpu`'s physical CPU.
    fn route(&mut self, intid: usize, vcpu: usize);
}
