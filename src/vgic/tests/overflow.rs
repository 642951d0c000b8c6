//! More interrupts than list registers.

use super::architecture::{HCR_LRENPIE, HCR_NPIE, HCR_TDIR, PENDING};
use super::cases::{BOTH, CLEAR_ACTIVE, SPI, handle};
use super::system::{System, VIRTUAL_ONLY_SPI};
use crate::vgic::*;

/// Two pending interrupts take both list registers from an active one of higher priority, whose
/// EOI only increments EOIcount.
#[test]
fn an_eoi_without_a_list_register_deactivates_the_overflowed_interrupt_at_once() {
    for version in BOTH {
        let mut system = System::started(version, 1, 2);
        system.set_priority(0, 0, SPI, 0x20);
        for intid in [41, 64] {
            system.set_priority(0, 0, intid, 0x80);
        }
        system.drive(0, SPI, true);
        assert_eq!(system.acknowledge(0), Some((SPI, 0)));
        assert_eq!(system.machine.cpus[0].maintenance, 0);
        system.drive(0, 41, true);
        system.drive(0, 64, true);
        assert_eq!(system.injected(0), [(41, PENDING), (64, PENDING)]);
        // On GICv2 GICC_DIR always traps, and GICH_HCR has no bit for that.
        let trap = if version == Version::V3 { HCR_TDIR } else { 0 };
        assert_eq!(system.machine.cpus[0].maintenance, HCR_LRENPIE | trap);
        system.drive(0, SPI, false);
        system.end(0, SPI);
        assert!(!system.machine.physical(0, SPI).active);
        assert_eq!(system.machine.cpus[0].maintenance, 0);
        // Its device can interrupt again before the two others are handled.
        system.drive(0, SPI, true);
        handle(&mut system, 0, SPI);
    }
}

#[test]
fn no_maintenance_interrupt_is_enabled_without_need() {
    for version in BOTH {
        let mut system = System::started(version, 1, 4);
        for intid in [34, 40, 41, 64] {
            system.drive(0, intid, true);
        }
        assert_eq!(system.machine.cpus[0].maintenance, 0);
        system.drive(0, 519, true);
        assert_ne!(system.machine.cpus[0].maintenance & HCR_NPIE, 0);
        // The guest cannot acknowledge any; `run` fails if maintenance interrupts do not end.
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
        assert_eq!(system.injected(0), [(41, PENDING)]);
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
fn an_arriving_interrupt_does_not_overtake_more_urgent_ones_in_memory() {
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
fn an_overflowed_interrupt_goes_to_its_new_target_after_its_end() {
    for version in BOTH {
        let mut system = System::started(version, 2, 1);
        system.set_priority(0, 0, VIRTUAL_ONLY_SPI, 0x80);
        system.set_priority(0, 0, SPI, 0x40);
        system.set_line(0, VIRTUAL_ONLY_SPI, true);
        assert_eq!(system.acknowledge(0), Some((VIRTUAL_ONLY_SPI, 0)));
        system.drive(0, SPI, true);
        system.drive(0, SPI, false);
        match version {
            Version::V2 => system.write(0, 0x800 + VIRTUAL_ONLY_SPI as u64, 1, 2),
            Version::V3 => system.write(0, 0x6000 + 8 * VIRTUAL_ONLY_SPI as u64, 8, 1),
        }
        handle(&mut system, 0, SPI);
        assert_eq!(system.injected(1), []);
        system.end(0, VIRTUAL_ONLY_SPI);
        assert_eq!(system.injected(1), [(VIRTUAL_ONLY_SPI, PENDING)]);
    }
}
