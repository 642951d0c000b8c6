//! What a guest reads, and the effect of its writes.

use super::cases::{BOTH, ENABLE, SET_ACTIVE, SET_PENDING, SPI};
use super::system::{FOREIGN, HARDWARE_PPI, System};
use crate::vgic::*;

#[test]
fn foreign_interrupts_read_as_zero_and_ignore_writes() {
    for version in BOTH {
        let mut system = System::started(version, 2, 4);
        let before = FOREIGN.map(|intid| system.machine.state(0, intid));
        for intid in FOREIGN {
            let (word, bit) = (intid / 32, 1 << (intid % 32));
            for register in [0x80, ENABLE, SET_PENDING, SET_ACTIVE] {
                system.write_state(0, register, word, bit);
                assert_eq!(system.read_state(0, register, word) & bit, 0);
            }
            system.set_priority(0, 0, intid, 0xa0);
            let (offset, shift) = (0x400 + (intid as u64 & !3), 8 * (intid % 4));
            assert_eq!(system.read(0, offset, 4) >> shift & 0xff, 0);
            system.drive(0, intid, true);
            assert_eq!(system.acknowledge(0), None);
            system.drive(0, intid, false);
        }
        let after = FOREIGN.map(|intid| system.machine.state(0, intid));
        assert_eq!(after, before);
    }
}

#[test]
fn identification_registers_have_constant_values() {
    let mut v2 = System::new(Version::V2, 3, 4);
    let mut v3 = System::new(Version::V3, 3, 4);
    for (offset, expected) in [(0x0, 0), (0x4, 2 << 5 | 16), (0x8, 0x4200_0000), (0xfe8, 0x2b)] {
        assert_eq!(v2.read(0, offset, 4), expected, "{offset:#x}");
    }
    let typer = 9 << 19 | 0b11 << 24 | 16;
    for (offset, expected) in [(0x0, 0x50), (0x4, typer), (0x8, 0x4200_0000), (0xffe8, 0x3b)] {
        assert_eq!(v3.read(0, offset, 4), expected, "{offset:#x}");
        assert_eq!(v3.read(0, offset, 8), 0, "of 8 bytes");
        assert_eq!(v3.read(0, offset, 1), 0, "of a byte");
    }
    for cpu in 0..3u64 {
        let frame = cpu * 0x2_0000;
        let typer = cpu << 32 | cpu << 8 | u64::from(cpu == 2) << 4;
        assert_eq!(v3.read_redistributor(1, frame + 8, 8), typer);
        assert_eq!(v3.read_redistributor(1, frame + 8, 4), typer & 0xffff_ffff);
        assert_eq!(v3.read_redistributor(1, frame + 12, 4), cpu);
        assert_eq!(v3.read_redistributor(1, frame + 0x14, 4), 6);
        assert_eq!(v3.read_redistributor(1, frame, 4), 0);
        assert_eq!(v3.read_redistributor(1, frame + 0xffe8, 4), 0x3b);
    }
    v3.write_redistributor(0, 0x2_0014, 4, 0);
    let waker = [0, 1].map(|cpu| v3.read_redistributor(0, cpu * 0x2_0000 + 0x14, 4));
    assert_eq!(waker, [6, 0]);
    assert_eq!(v3.read_redistributor(0, 3 * 0x2_0000 + 8, 8), 0, "beyond the last");
}

#[test]
fn routing_registers_read_back_what_can_be_set() {
    let mut v2 = System::new(Version::V2, 2, 4);
    assert_eq!(v2.read(1, 0x800, 4), 0x0202_0202);
    assert_eq!(v2.read(1, 0x81b, 1), 2, "PPI 27");
    assert_eq!(v2.read(1, 0x818, 4), 2 << 24, "PPIs that are not owned");
    v2.write(0, 0x820, 4, 0xffff_ffff);
    assert_eq!(v2.read(0, 0x820, 4), 0x0003_0300, "33 and 34");
    let mut single = System::new(Version::V2, 1, 4);
    single.write(0, 0x821, 1, 1);
    assert_eq!(single.read(0, 0x820, 4), 0);

    let mut v3 = System::new(Version::V3, 2, 4);
    let router = 0x6000 + 8 * SPI as u64;
    v3.write(0, router, 8, u64::MAX);
    assert_eq!(v3.read(0, router, 8), 0xff_00ff_ffff);
    v3.write(0, router, 4, 1);
    assert_eq!(v3.read(0, router, 8), 0xff_0000_0001);
    v3.write(0, router + 4, 4, 0);
    assert_eq!(v3.read(0, router + 4, 4), 0);
    assert_eq!(v3.machine.physical(0, SPI).target, 1);
    v3.write(0, 0x6000 + 8 * 35, 8, 1);
    assert_eq!(v3.read(0, 0x6000 + 8 * 35, 8), 0, "not owned");
    for offset in [0x100, 0x400, 0x800, 0x820, 0xc00, 0xf00, 0xf20] {
        v3.write(0, offset, 4, u64::MAX);
        assert_eq!(v3.read(0, offset, 4), 0, "{offset:#x} is of the other version");
    }
}

#[test]
fn priorities_and_configuration_read_back_their_implemented_bits() {
    for version in BOTH {
        let mut system = System::new(version, 1, 4);
        system.write(0, 0x420, 4, 0xffff_ffff);
        assert_eq!(system.read(0, 0x420, 4), 0x00f8_f800);
        assert_eq!(system.read(0, 0x421, 1), 0xf8);
        assert_eq!(system.read(0, 0x420, 2), 0);
        assert_eq!(system.read(0, 0x420, 8), 0);
        system.write(0, 0xc08, 4, 0xffff_ffff);
        assert_eq!(system.read(0, 0xc08, 4), 0b1010 << 2 | 0b1010 << 16);
        let sgis = match version {
            Version::V2 => system.read(0, 0xc00, 4),
            Version::V3 => system.read_redistributor(0, 0x1_0c00, 4),
        };
        assert_eq!(sgis, 0xaaaa_aaaa);
    }
}

/// Some GICs have one trigger for the private interrupts of all CPUs.
#[test]
fn a_guest_does_not_change_the_trigger_of_a_private_hardware_interrupt() {
    for version in BOTH {
        let mut system = System::started(version, 2, 4);
        let trigger = match version {
            Version::V2 => {
                system.write(0, 0xc04, 4, u64::MAX);
                system.read(0, 0xc04, 4)
            }
            Version::V3 => {
                system.write_redistributor(0, 0x1_0c04, 4, u64::MAX);
                system.read_redistributor(0, 0x1_0c04, 4)
            }
        };
        assert_eq!(trigger, 0);
        assert!(!system.machine.physical(0, HARDWARE_PPI).edge);
    }
}

proptest::proptest! {
    #[test]
    fn any_access_is_handled_without_a_panic(
        accesses in proptest::collection::vec(
            (0..0x1_0000u64, 0..9u64, proptest::num::u64::ANY, 0..2usize), 1..50),
    ) {
        for version in BOTH {
            let mut system = System::started(version, 2, 2);
            for &(offset, size, value, cpu) in &accesses {
                system.write(cpu, offset, size, value);
                system.read(cpu, offset, size);
                system.write_redistributor(cpu, offset * 5, size, value);
                system.read_redistributor(cpu, offset * 5, size);
                system.deactivate(cpu, value as usize & 0xffff, 0);
            }
        }
    }
}
