//! Single cases, many of which have gone wrong in other virtual GICs.

use super::architecture::{ACTIVE, EOI, PENDING};
use super::system::{HARDWARE_PPI, HARDWARE_SPIS, System, VIRTUAL_ONLY_SPI};
use crate::vgic::*;

pub const BOTH: [Version; 2] = [Version::V2, Version::V3];
pub const ENABLE: u64 = 0x100;
pub const DISABLE: u64 = 0x180;
pub const SET_PENDING: u64 = 0x200;
const CLEAR_PENDING: u64 = 0x280;
pub const SET_ACTIVE: u64 = 0x300;
pub const CLEAR_ACTIVE: u64 = 0x380;
pub const SPI: usize = 40;

/// Acknowledges an interrupt and ends it.
pub fn handle(system: &mut System, cpu: usize, intid: usize) {
    assert_eq!(system.acknowledge(cpu), Some((intid, 0)));
    system.end(cpu, intid);
}

#[test]
fn a_hardware_interrupt_takes_one_list_register_and_its_end_deactivates_it() {
    for version in BOTH {
        let mut system = System::started(version, 2, 4);
        system.drive(1, HARDWARE_PPI, true);
        assert_eq!(system.injected(1), [(HARDWARE_PPI, PENDING)]);
        assert_eq!(system.acknowledge(1), Some((HARDWARE_PPI, 0)));
        system.drive(1, HARDWARE_PPI, false);
        assert!(system.machine.state(1, HARDWARE_PPI).active);
        system.end(1, HARDWARE_PPI);
        assert!(!system.machine.state(1, HARDWARE_PPI).active);
        assert_eq!(system.acknowledge(1), None);
    }
}

#[test]
fn a_line_that_stays_high_interrupts_again() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        system.drive(0, SPI, true);
        system.set_line(0, VIRTUAL_ONLY_SPI, true);
        for _ in 0..3 {
            handle(&mut system, 0, VIRTUAL_ONLY_SPI);
        }
        system.set_line(0, VIRTUAL_ONLY_SPI, false);
        for _ in 0..3 {
            handle(&mut system, 0, SPI);
        }
        system.drive(0, SPI, false);
        // EL2 acknowledged it before the line fell.
        handle(&mut system, 0, SPI);
        assert_eq!(system.acknowledge(0), None);
    }
}

#[test]
fn a_virtual_only_interrupt_is_not_pending_after_its_line_falls() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        system.set_line(0, VIRTUAL_ONLY_SPI, true);
        system.set_line(0, VIRTUAL_ONLY_SPI, false);
        assert_eq!(system.injected(0), []);
        system.set_line(0, VIRTUAL_ONLY_SPI, true);
        assert_eq!(system.acknowledge(0), Some((VIRTUAL_ONLY_SPI, 0)));
        assert_eq!(system.read_state(0, SET_PENDING, 1), 2);
        system.set_line(0, VIRTUAL_ONLY_SPI, false);
        assert_eq!(system.injected(0), [(VIRTUAL_ONLY_SPI, ACTIVE)]);
        assert_eq!(
            system.machine.cpus[0].lrs[0] & EOI,
            0,
            "a maintenance interrupt on deactivation"
        );
        system.end(0, VIRTUAL_ONLY_SPI);
        assert_eq!(system.acknowledge(0), None);
    }
}

#[test]
fn an_edge_that_was_acknowledged_is_not_pending_again() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        system.write_bit(0, 0, SET_PENDING, VIRTUAL_ONLY_SPI);
        handle(&mut system, 0, VIRTUAL_ONLY_SPI);
        system.drive(0, 519, true);
        system.set_line(0, VIRTUAL_ONLY_SPI, true);
        system.set_line(0, VIRTUAL_ONLY_SPI, false);
        assert_eq!(system.injected(0), [(519, PENDING)]);
    }
}

#[test]
fn an_interrupt_is_in_one_list_register_when_all_are_full() {
    for version in BOTH {
        let mut system = System::started(version, 1, 2);
        for intid in HARDWARE_SPIS {
            system.drive(0, intid, true);
            system.write_bit(0, 0, SET_PENDING, intid);
            system.drive(0, intid, false);
        }
        for intid in HARDWARE_SPIS {
            handle(&mut system, 0, intid);
        }
        assert_eq!(system.acknowledge(0), None);
    }
}

#[test]
fn intids_above_255_keep_all_their_bits() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        system.drive(0, 519, true);
        assert_eq!(system.injected(0), [(519, PENDING)]);
        assert_eq!(system.read_state(0, SET_PENDING, 16), 1 << (519 - 512));
        assert_eq!(system.read_state(0, SET_PENDING, 1), 0);
        handle(&mut system, 0, 519);
    }
}

#[test]
fn an_interrupt_that_is_disabled_while_active_can_be_ended() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        for (intid, virtual_only) in [(SPI, false), (VIRTUAL_ONLY_SPI, true)] {
            let drive = |system: &mut System, high| match virtual_only {
                true => system.set_line(0, intid, high),
                false => system.drive(0, intid, high),
            };
            drive(&mut system, true);
            assert_eq!(system.acknowledge(0), Some((intid, 0)));
            system.write_bit(0, 0, DISABLE, intid);
            assert_eq!(system.read_state(0, SET_ACTIVE, 1), 1 << (intid - 32));
            system.end(0, intid);
            assert_eq!(system.read_state(0, SET_ACTIVE, 1), 0);
            assert_eq!(system.acknowledge(0), None);
            system.write_bit(0, 0, ENABLE, intid);
            handle(&mut system, 0, intid);
            drive(&mut system, false);
            while let Some((intid, _)) = system.acknowledge(0) {
                system.end(0, intid);
            }
        }
    }
}

#[test]
fn an_interrupt_that_is_disabled_while_pending_waits() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        system.drive(0, SPI, true);
        system.write_bit(0, 0, DISABLE, SPI);
        assert_eq!(system.injected(0), []);
        assert_eq!(system.read_state(0, SET_PENDING, 1), 1 << (SPI - 32));
        system.write_bit(0, 0, ENABLE, SPI);
        handle(&mut system, 0, SPI);
        system.write_bit(0, 0, DISABLE, SPI);
        system.drive(0, SPI, false);
        system.write_bit(0, 0, CLEAR_PENDING, SPI);
        assert!(!system.machine.physical(0, SPI).active);
        assert_eq!(system.read_state(0, SET_PENDING, 1), 0);
    }
}

#[test]
fn accesses_to_a_redistributor_apply_to_its_cpu() {
    let mut system = System::started(Version::V3, 3, 4);
    let frame = 2 * 0x2_0000 + 0x1_0000;
    system.write_redistributor(0, frame + DISABLE, 4, 1 << HARDWARE_PPI);
    for cpu in 0..3 {
        let enabled = system.read_state(cpu, ENABLE, 0) >> HARDWARE_PPI & 1 != 0;
        assert_eq!(enabled, cpu != 2);
        assert_eq!(system.machine.physical(cpu, HARDWARE_PPI).enabled, cpu != 2);
    }
    system.write_redistributor(0, frame + SET_PENDING, 4, 1 << 5);
    assert_eq!(system.injected(2), [(5, PENDING)]);
    assert_eq!(system.read_redistributor(1, frame + SET_PENDING, 4), 1 << 5);
    system.write_redistributor(0, frame + CLEAR_PENDING, 4, 1 << 5);
    assert_eq!(system.injected(2), []);
}

#[test]
fn an_access_that_needs_a_recall_has_no_effect_before_it() {
    for version in BOTH {
        let mut system = System::started(version, 2, 4);
        system.drive(0, SPI, true);
        let mut other = super::machine::View { machine: &mut system.machine, cpu: 1 };
        let offset = DISABLE + 4;
        let access = RegisterAccess { offset, size: 4, value: 1 << (SPI - 32) };
        let result = system.vgic.distributor_write(access, &mut other);
        assert_eq!(result, Err(Recall(CpuMask::one(0))));
        assert!(system.machine.physical(0, SPI).enabled);
        system.write(1, offset, 4, 1 << (SPI - 32));
        assert_eq!(system.injected(0), []);
        assert!(!system.machine.physical(0, SPI).enabled);
    }
}

#[test]
fn a_pending_interrupt_follows_its_route() {
    for version in BOTH {
        let mut system = System::started(version, 2, 4);
        system.drive(0, SPI, true);
        match version {
            Version::V2 => system.write(0, 0x800 + SPI as u64, 1, 2),
            Version::V3 => system.write(0, 0x6000 + 8 * SPI as u64, 8, 1),
        }
        assert_eq!(system.injected(0), []);
        assert_eq!(system.injected(1), [(SPI, PENDING)]);
        assert_eq!(system.machine.physical(0, SPI).target, 1);
    }
}

#[test]
fn an_interrupt_made_active_by_isactiver_is_not_delivered() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        system.drive(0, SPI, true);
        system.write_bit(0, 0, SET_ACTIVE, SPI);
        assert_eq!(system.injected(0), [(SPI, ACTIVE)]);
        assert_eq!(system.acknowledge(0), None);
        system.write_bit(0, 0, CLEAR_ACTIVE, SPI);
        handle(&mut system, 0, SPI);
    }
}

/// With direct delivery another partition can deactivate an interrupt in the physical GIC, so that
/// it arrives once more.
#[test]
fn an_interrupt_that_arrives_while_it_is_in_a_list_register_is_not_injected_again() {
    let arrive_again = |system: &mut System, intid| {
        system.machine.physical(0, intid).active = false;
        system.run();
    };
    for version in BOTH {
        for list_registers in [1, 4] {
            let mut system = System::started(version, 1, list_registers);
            system.machine.split = true;
            system.drive(0, SPI, true);
            arrive_again(&mut system, SPI);
            assert_eq!(system.injected(0), [(SPI, PENDING)]);
            assert_eq!(system.acknowledge(0), Some((SPI, 0)));
            system.end(0, SPI);
            arrive_again(&mut system, SPI);
            assert_eq!(system.injected(0), [(SPI, ACTIVE)]);
            assert_eq!(system.acknowledge(0), None);
            // Another one arrives and is handled in between, with and without a list register.
            system.drive(0, 41, true);
            assert_eq!(system.acknowledge(0), Some((41, 0)));
            arrive_again(&mut system, SPI);
            system.drive(0, 41, false);
            system.end(0, 41);
            system.deactivate(0, 41, 0);
            assert_eq!(system.acknowledge(0), None);
            system.drive(0, SPI, false);
            system.deactivate(0, SPI, 0);
            assert_eq!(system.injected(0), []);
            assert!(!system.machine.physical(0, SPI).active);
        }
    }
}

#[test]
fn gicv2_sgis_are_pending_once_for_each_source() {
    let mut system = System::started(Version::V2, 3, 4);
    // Physical SGIs transport the first, but not the second.
    for sgi in [7, 15] {
        for cpu in 0..3 {
            for _ in 0..2 {
                system.write(cpu, 0xf00, 4, 4 << 16 | sgi);
            }
        }
        assert_eq!(system.read(2, 0xf20 + sgi, 1), 0b111);
        assert_eq!(system.read_state(2, SET_PENDING, 0), 1 << sgi);
        system.write(2, 0xf10 + sgi, 1, 0b010);
        assert_eq!(system.read(2, 0xf10 + sgi - 3, 4), 0b101 << 24);
        for source in [0, 2] {
            assert_eq!(system.acknowledge(2), Some((sgi as usize, source)));
            system.end(2, sgi as usize);
        }
        assert_eq!(system.acknowledge(2), None);
    }
    // All but itself; itself; none.
    system.write(1, 0xf00, 4, 1 << 24 | 3);
    system.write(1, 0xf00, 4, 2 << 24 | 4);
    system.write(1, 0xf00, 4, 3 << 24 | 0xff << 16 | 5);
    let pending = [0, 1, 2].map(|cpu| system.read_state(cpu, SET_PENDING, 0));
    assert_eq!(pending, [1 << 3, 1 << 4, 1 << 3]);
}

#[test]
fn sgis_sent_before_a_restart_are_discarded() {
    for version in [Version::V2, Version::V3] {
        let mut system = System::started(version, 2, 4);
        for cpu in 0..2 {
            let sgi = system.machine.physical(cpu, 3);
            (sgi.latch, sgi.senders) = (true, 1);
        }
        // CPU 1 acknowledges it between the two parts of the reset, CPU 0 only afterwards.
        system.restart_with(|system| assert!(system.take_physical(1)));
        let pending = [0, 1].map(|cpu| system.read_state(cpu, SET_PENDING, 0));
        assert_eq!(pending, [0, 0], "{version:?}");
    }
}

#[test]
fn gicv3_sgis_are_routed_by_affinity_and_group() {
    let mut system = System::new(Version::V3, 18, 4);
    let mut pending = |register, value: u64| {
        system.restart();
        for cpu in 0..18u64 {
            // SGI 1 is in Group 1, SGI 0 in Group 0.
            system.write_redistributor(0, cpu * 0x2_0000 + 0x1_0080, 4, 2);
        }
        system.send_sgi(0, register, value);
        let pending = [0, 1, 16, 17].map(|cpu| system.read_state(cpu, SET_PENDING, 0));
        let others = (2..16).map(|cpu| system.read_state(cpu, SET_PENDING, 0));
        (pending, others.max().unwrap())
    };
    let sgi = |intid: u64| intid << 24;
    assert_eq!(pending(SgiRegister::Sgi1, sgi(1) | 3), ([2, 2, 0, 0], 0));
    assert_eq!(pending(SgiRegister::Sgi1, sgi(1) | 4), ([0; 4], 2));
    assert_eq!(pending(SgiRegister::Sgi1, sgi(0) | 3), ([0; 4], 0));
    assert_eq!(pending(SgiRegister::Sgi0, sgi(0) | 3), ([1, 1, 0, 0], 0));
    assert_eq!(pending(SgiRegister::Asgi1, sgi(0) | 2), ([0, 1, 0, 0], 0));
    // Aff1 is 1: vCPUs 16 and 17; there is no 18, nor any where Aff1 is 2.
    assert_eq!(pending(SgiRegister::Sgi1, sgi(1) | 1 << 16 | 7), ([0, 0, 2, 2], 0));
    assert_eq!(pending(SgiRegister::Sgi1, sgi(1) | 2 << 16 | 1), ([0; 4], 0));
    assert_eq!(pending(SgiRegister::Sgi1, sgi(1) | 4 << 16 | 1), ([0; 4], 0));
    assert_eq!(pending(SgiRegister::Sgi1, sgi(1) | 1 << 40), ([0, 2, 2, 2], 2));
    // Aff3, Aff2 and RS name CPUs that no partition has.
    for far in [1 << 48, 1 << 32, 1 << 44] {
        assert_eq!(pending(SgiRegister::Sgi1, sgi(1) | far | 1), ([0; 4], 0));
    }
}
