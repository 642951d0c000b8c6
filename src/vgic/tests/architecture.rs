//! Register layouts of the GIC architecture (IHI 0048B, IHI 0069), with constants of their own, so
//! that a wrong bit or offset in the code under test makes tests fail.

use crate::vgic::StateRegister;

// GICH_HCR (IHI 0048B, 5.3.1) and ICH_HCR_EL2 (IHI 0069, 12.4.7): the maintenance interrupts.
/// UIE: zero or one list register has a valid interrupt.
pub const HCR_UIE: u32 = 1 << 1;
/// LRENPIE: EOIcount is not zero.
pub const HCR_LRENPIE: u32 = 1 << 2;
/// NPIE: no list register is in the pending state.
pub const HCR_NPIE: u32 = 1 << 3;
/// VGrp0EIE and VGrp1EIE: the guest's CPU interface enables the group.
pub const HCR_GROUP_ENABLED: [u32; 2] = [1 << 4, 1 << 6];
/// VGrp0DIE and VGrp1DIE: the guest's CPU interface disables the group.
pub const HCR_GROUP_DISABLED: [u32; 2] = [1 << 5, 1 << 7];
/// LRENPIE to VGrp1DIE: the bits that the code under test may set.
pub const HCR_MAINTENANCE: u32 = 0xfc;
/// TDIR, in ICH_HCR_EL2 only: writes to ICC_DIR_EL1 trap.
pub const HCR_TDIR: u32 = 1 << 14;
/// The maximum of EOIcount, bits 31:27.
pub const EOI_COUNT_MAX: u32 = 0x1f;

// ICH_LR<n>_EL2 (IHI 0069, 12.4.9).
pub const EOI: u64 = 1 << 41;
const GROUP1: u64 = 1 << 60;
pub const HARDWARE: u64 = 1 << 61;
pub const PENDING: u64 = 1 << 62;
pub const ACTIVE: u64 = 1 << 63;

/// Returns the virtual INTID. For an SGI of GICv2 the model has its source above it, as GICH_LR<n>.
pub fn intid_of(lr: u64) -> usize {
    (lr & 0x3ff) as usize
}

/// Returns the source of an SGI: CPUID of GICH_LR<n>.
pub fn source_of(lr: u64) -> u8 {
    (lr >> 10 & 7) as u8
}

/// Returns the physical INTID. HW must be set.
pub fn physical_of(lr: u64) -> usize {
    (lr >> 32 & 0x3ff) as usize
}

/// Returns the priority.
pub fn priority_of(lr: u64) -> u8 {
    (lr >> 48 & 0xff) as u8
}

/// Returns the group.
pub fn group_of(lr: u64) -> usize {
    usize::from(lr & GROUP1 != 0)
}

/// Returns whether ICH_LR<n>_EL2 can have this value for an INTID below 1024.
pub fn is_lr(lr: u64) -> bool {
    let virtual_intid_and_priority = 0x3ff | 0xff << 48;
    let physical = if lr & HARDWARE != 0 { 0x3ff << 32 } else { EOI };
    lr & !(virtual_intid_and_priority | physical | 0xf << 60) == 0
}

/// Converts GICH_LR<n> (IHI 0048B, 5.3.11) to the layout of ICH_LR<n>_EL2, which this model uses
/// for both versions.
pub fn lr_of_v2(value: u32) -> u64 {
    let lr = u64::from(value);
    let field = |from: u32, to: u32| move |bits: u64| (lr >> from & bits) << to;
    let (is_hardware, has_eoi) = (value >> 31 & 1 != 0, value >> 19 & 1 != 0);
    let source_or_physical = if is_hardware {
        field(10, 32)(0x3ff)
    } else {
        assert_eq!(value >> 13 & 0x3f, 0, "reserved bits");
        field(10, 10)(0x7) | if has_eoi { EOI } else { 0 }
    };
    assert_eq!(value >> 20 & 0x7, 0, "reserved bits");
    let (intid, priority) = (field(0, 0)(0x3ff), field(23, 51)(0x1f));
    let (state, group, hardware) = (field(28, 62)(0b11), field(30, 60)(1), field(31, 61)(1));
    intid | source_or_physical | priority | state | group | hardware
}

/// Converts the model's value to GICH_LR<n>.
pub fn v2_of_lr(lr: u64) -> u32 {
    let second = match lr & HARDWARE {
        0 => u32::from(source_of(lr)) << 10 | u32::from(lr & EOI != 0) << 19,
        _ => (physical_of(lr) as u32) << 10,
    };
    let upper = u32::from(priority_of(lr) >> 3) << 23 | ((lr >> 62) as u32) << 28;
    let kind = (group_of(lr) as u32) << 30 | u32::from(lr & HARDWARE != 0) << 31;
    intid_of(lr) as u32 | second | upper | kind
}

/// Returns the offset of a register for INTIDs 0 to 31, in the distributor and in SGI_base (IHI
/// 0048B, 4.1.2; IHI 0069, 12.8 and 12.10).
pub fn offset_of(register: StateRegister) -> u64 {
    match register {
        StateRegister::SetEnable => 0x100,
        StateRegister::ClearEnable => 0x180,
        StateRegister::SetPending => 0x200,
        StateRegister::ClearPending => 0x280,
        StateRegister::SetActive => 0x300,
        StateRegister::ClearActive => 0x380,
    }
}

#[test]
fn state_registers_have_the_offsets_of_the_architecture() {
    use crate::vgic::IntidSet;

    for register in [
        StateRegister::SetEnable,
        StateRegister::ClearEnable,
        StateRegister::SetPending,
        StateRegister::ClearPending,
        StateRegister::SetActive,
        StateRegister::ClearActive,
    ] {
        for word in [0, 1, 31] {
            let offset = offset_of(register) + 4 * word as u64;
            assert_eq!(register.of(IntidSet::new(0, word, 1)), offset, "{register:?} {word}");
        }
    }
}

#[test]
fn list_registers_of_both_versions_correspond() {
    // Pending, Group 1, hardware, INTID and physical INTID 40, priority 0xa0.
    let hardware = 0x7 << 60 | 0xa0 << 48 | 40 << 32 | 40;
    assert_eq!(v2_of_lr(hardware), 0xda00_a028);
    // Active, Group 0, SGI 5 from vCPU 6, with EOI, priority 8.
    let sgi = ACTIVE | 0x08 << 48 | 1 << 41 | 6 << 10 | 5;
    assert_eq!(v2_of_lr(sgi), 0x2088_1805);
    for lr in [hardware, sgi] {
        assert_eq!(lr_of_v2(v2_of_lr(lr)), lr);
    }
}
