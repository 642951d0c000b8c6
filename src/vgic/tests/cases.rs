//! Single cases, most of them mistakes that virtual GICs are known for.

use super::machine::{ACTIVE, PENDING};
use super::system::{HARDWARE_PPI, HARDWARE_SPIS, SOFTWARE_SPI, System};
use crate::vgic::*;

pub const BOTH: [Version; 2] = [Version::V2, Version::V3];
pub const ENABLE: u64 = 0x100;
const DISABLE: u64 = 0x180;
pub const SET_PENDING: u64 = 0x200;
const CLEAR_PENDING: u64 = 0x280;
pub const SET_ACTIVE: u64 = 0x300;
const CLEAR_ACTIVE: u64 = 0x380;
pub const SPI: usize = 40;

fn handle(system: &mut System, cpu: usize, intid: usize) {
    assert_eq!(system.acknowledge(cpu), Some((intid, 0)));
    system.end(cpu, intid);
}

#[test]
fn a_hardware_interrupt_takes_one_list_register_and_its_end_deactivates_it() {
    for version in BOTH {
        let mut system = System::started(version, 2, 4);
        system.drive(1, HARDWARE_PPI, true);
        assert_eq!(system.listed(1), [(HARDWARE_PPI, PENDING)]);
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
        system.set_line(0, SOFTWARE_SPI, true);
        for _ in 0..3 {
            handle(&mut system, 0, SOFTWARE_SPI);
        }
        system.set_line(0, SOFTWARE_SPI, false);
        for _ in 0..3 {
            handle(&mut system, 0, SPI);
        }
        system.drive(0, SPI, false);
        // EL2 acknowledged it once more before the line fell.
        handle(&mut system, 0, SPI);
        assert_eq!(system.acknowledge(0), None);
    }
}

#[test]
fn a_software_line_that_falls_takes_its_pending_state_back() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        system.set_line(0, SOFTWARE_SPI, true);
        system.set_line(0, SOFTWARE_SPI, false);
        assert_eq!(system.listed(0), []);
        system.set_line(0, SOFTWARE_SPI, true);
        assert_eq!(system.acknowledge(0), Some((SOFTWARE_SPI, 0)));
        assert_eq!(system.read_state(0, SET_PENDING, 1), 2);
        system.set_line(0, SOFTWARE_SPI, false);
        assert_eq!(system.listed(0), [(SOFTWARE_SPI, ACTIVE)]);
        assert_eq!(
            system.machine.cpus[0].lrs[0] >> 41 & 1,
            0,
            "the list register requests an EOI interrupt"
        );
        system.end(0, SOFTWARE_SPI);
        assert_eq!(system.acknowledge(0), None);
    }
}

#[test]
fn a_latch_that_was_acknowledged_is_not_remembered() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        system.write_bit(0, 0, SET_PENDING, SOFTWARE_SPI);
        handle(&mut system, 0, SOFTWARE_SPI);
        system.drive(0, 519, true);
        system.set_line(0, SOFTWARE_SPI, true);
        system.set_line(0, SOFTWARE_SPI, false);
        assert_eq!(system.listed(0), [(519, PENDING)]);
    }
}

#[test]
fn an_interrupt_is_not_in_two_list_registers_when_the_list_registers_are_full() {
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
fn an_intid_beyond_8_bits_keeps_them_all() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        system.drive(0, 519, true);
        assert_eq!(system.listed(0), [(519, PENDING)]);
        assert_eq!(system.read_state(0, SET_PENDING, 16), 1 << (519 - 512));
        assert_eq!(system.read_state(0, SET_PENDING, 1), 0);
        handle(&mut system, 0, 519);
    }
}

#[test]
fn an_interrupt_that_is_disabled_while_active_can_be_ended() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        for (intid, software) in [(SPI, false), (SOFTWARE_SPI, true)] {
            let drive = |system: &mut System, high| match software {
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
        assert_eq!(system.listed(0), []);
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
fn maintenance_is_requested_only_when_needed() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        for intid in [34, 40, 41, 64] {
            system.drive(0, intid, true);
        }
        assert_eq!(system.machine.cpus[0].maintenance, 0);
        system.drive(0, 519, true);
        assert_ne!(system.machine.cpus[0].maintenance & 1 << 3, 0);
        // The guest takes none of them until Group 1 is enabled again; `run` fails if maintenance
        // is requested without end.
        system.set_groups(0, [true, false]);
        system.run();
        system.set_groups(0, [true, true]);
        for intid in [34, 40, 41, 64, 519] {
            system.drive(0, intid, false);
            handle(&mut system, 0, intid);
        }
        system.run();
        assert_eq!(system.machine.cpus[0].maintenance, 0);
    }
}

#[test]
fn a_more_urgent_interrupt_takes_the_list_register_of_a_less_urgent_one() {
    for version in BOTH {
        let mut system = System::started(version, 1, 1);
        system.set_priority(0, 0, SPI, 0x80);
        system.set_priority(0, 0, 41, 0x40);
        system.drive(0, SPI, true);
        assert_eq!(system.acknowledge(0), Some((SPI, 0)));
        system.drive(0, 41, true);
        assert_eq!(system.listed(0), [(41, PENDING)]);
        assert_eq!(system.read_state(0, CLEAR_ACTIVE, 1), 1 << (SPI - 32));
        system.drive(0, 41, false);
        handle(&mut system, 0, 41);
        system.drive(0, SPI, false);
        system.end(0, SPI);
        assert!(!system.machine.physical(0, SPI).active);
        assert_eq!(system.acknowledge(0), None);
        assert_eq!(system.machine.cpus[0].maintenance, 0);
    }
}

#[test]
fn an_arrival_does_not_overtake_more_urgent_interrupts_in_memory() {
    for version in BOTH {
        let mut system = System::started(version, 1, 2);
        for (intid, priority) in [(34, 0x20), (40, 0x40), (41, 0x60), (64, 0x80)] {
            system.set_priority(0, 0, intid, priority);
        }
        for intid in [34, 40, 41] {
            system.drive(0, intid, true);
            system.drive(0, intid, false);
        }
        handle(&mut system, 0, 34);
        system.drive(0, 64, true);
        system.drive(0, 64, false);
        for intid in [40, 41, 64] {
            handle(&mut system, 0, intid);
        }
    }
}

#[test]
fn an_active_interrupt_that_overflowed_goes_to_its_new_target_once_it_ends() {
    for version in BOTH {
        let mut system = System::started(version, 2, 1);
        system.set_priority(0, 0, SOFTWARE_SPI, 0x80);
        system.set_priority(0, 0, SPI, 0x40);
        system.set_line(0, SOFTWARE_SPI, true);
        assert_eq!(system.acknowledge(0), Some((SOFTWARE_SPI, 0)));
        system.drive(0, SPI, true);
        system.drive(0, SPI, false);
        match version {
            Version::V2 => system.write(0, 0x800 + SOFTWARE_SPI as u64, 1, 2),
            Version::V3 => system.write(0, 0x6000 + 8 * SOFTWARE_SPI as u64, 8, 1),
        }
        handle(&mut system, 0, SPI);
        assert_eq!(system.listed(1), []);
        system.end(0, SOFTWARE_SPI);
        assert_eq!(system.listed(1), [(SOFTWARE_SPI, PENDING)]);
    }
}

#[test]
fn each_redistributor_is_that_of_one_cpu_whichever_cpu_accesses_it() {
    let mut system = System::started(Version::V3, 3, 4);
    let frame = 2 * 0x2_0000 + 0x1_0000;
    system.write_redistributor(0, frame + DISABLE, 4, 1 << HARDWARE_PPI);
    for cpu in 0..3 {
        let enabled = system.read_state(cpu, ENABLE, 0) >> HARDWARE_PPI & 1 != 0;
        assert_eq!(enabled, cpu != 2);
        assert_eq!(system.machine.physical(cpu, HARDWARE_PPI).enabled, cpu != 2);
    }
    system.write_redistributor(0, frame + SET_PENDING, 4, 1 << 5);
    assert_eq!(system.listed(2), [(5, PENDING)]);
    assert_eq!(system.read_redistributor(1, frame + SET_PENDING, 4), 1 << 5);
    system.write_redistributor(0, frame + CLEAR_PENDING, 4, 1 << 5);
    assert_eq!(system.listed(2), []);
}

#[test]
fn an_access_that_needs_another_cpu_s_list_registers_has_no_effect_until_they_are_recalled() {
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
        assert_eq!(system.listed(0), []);
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
        assert_eq!(system.listed(0), []);
        assert_eq!(system.listed(1), [(SPI, PENDING)]);
        assert_eq!(system.machine.physical(0, SPI).target, 1);
    }
}

#[test]
fn an_interrupt_that_the_guest_makes_active_is_not_delivered_until_it_ends() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        system.drive(0, SPI, true);
        system.write_bit(0, 0, SET_ACTIVE, SPI);
        assert_eq!(system.listed(0), [(SPI, ACTIVE)]);
        assert_eq!(system.acknowledge(0), None);
        system.write_bit(0, 0, CLEAR_ACTIVE, SPI);
        handle(&mut system, 0, SPI);
    }
}

#[test]
fn gicv2_sgis_come_once_from_each_source() {
    let mut system = System::started(Version::V2, 3, 4);
    // SGI 7 is sent as a physical SGI, SGI 15 is not.
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
    // TargetListFilter: all but the sender, the sender, reserved.
    system.write(1, 0xf00, 4, 1 << 24 | 3);
    system.write(1, 0xf00, 4, 2 << 24 | 4);
    system.write(1, 0xf00, 4, 3 << 24 | 0xff << 16 | 5);
    let pending = [0, 1, 2].map(|cpu| system.read_state(cpu, SET_PENDING, 0));
    assert_eq!(pending, [1 << 3, 1 << 4, 1 << 3]);
}

#[test]
fn sgis_from_before_a_restart_are_forgotten() {
    for version in [Version::V2, Version::V3] {
        let mut system = System::started(version, 2, 4);
        for cpu in 0..2 {
            let sgi = system.machine.physical(cpu, 3);
            (sgi.latch, sgi.senders) = (true, 1);
        }
        // One CPU acknowledges it between `reset` and `reset_private`, the other does not.
        system.restart_with(|system| assert!(system.take_physical(1)));
        let pending = [0, 1].map(|cpu| system.read_state(cpu, SET_PENDING, 0));
        assert_eq!(pending, [0, 0], "{version:?}");
    }
}

#[test]
fn gicv3_sgis_reach_their_targets_by_affinity_and_group() {
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
