use super::*;
use proptest::prelude::*;

const GROUP1_HARDWARE_PENDING: u64 = 0b0111 << 60;

#[test]
fn a_hardware_interrupt_has_the_architecture_s_layout() {
    let lr =
        ListRegister::new(1019, true).with_priority(0xa0).with_group1(true).with_state(true, false);
    assert_eq!(lr.bits(), GROUP1_HARDWARE_PENDING | 0xa0 << 48 | 1019 << 32 | 1019);
    assert_eq!(lr.to_v2(), 0xd000_0000 | 0x14 << 23 | 1019 << 10 | 1019);
}

#[test]
fn an_sgi_has_its_source() {
    let lr = ListRegister::new(5, false)
        .with_priority(8)
        .with_source(7)
        .with_state(true, false)
        .with_eoi();
    assert_eq!(lr.bits(), 1 << 62 | 0x08 << 48 | 1 << 41 | 7 << 10 | 5);
    assert_eq!(lr.to_v2(), 1 << 28 | 1 << 23 | 1 << 19 | 7 << 10 | 5);
}

proptest! {
    #[test]
    fn conversion_to_gicv2_s_layout_keeps_all_defined_bits(value: u32) {
        // Reserved: 22:20 always, 18:13 where there is no physical interrupt.
        let hardware = value >> 31 == 1;
        let defined = if hardware { !0x70_0000 } else { !(0x70_0000 | 0x7_e000) };
        prop_assert_eq!(ListRegister::from_v2(value).to_v2(), value & defined);
    }
}
