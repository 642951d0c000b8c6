//! Interrupts for which LPIs stand.

use std::vec;

use super::architecture::{ACTIVE, PENDING};
use super::cases::{DISABLE, ENABLE, SET_PENDING, handle};
use super::system::{MESSAGES, System};

const SPI: usize = MESSAGES[0];

/// Routes the interrupt to a CPU.
fn route(system: &mut System, from: usize, to: usize) {
    system.write(from, 0x6000 + 8 * SPI as u64, 8, to as u64);
}

#[test]
fn a_message_is_injected_once_and_nothing_is_deactivated() {
    let mut system = System::with_messages(2, 4);
    for _ in 0..3 {
        system.message(0, SPI);
        assert_eq!(system.injected(0), [(SPI, PENDING)]);
        handle(&mut system, 0, SPI);
        assert_eq!(system.acknowledge(0), None);
    }
    // Two at once, of which each is an edge.
    system.message(0, SPI);
    system.message(0, MESSAGES[1]);
    system.message(0, SPI);
    handle(&mut system, 0, SPI);
    handle(&mut system, 0, MESSAGES[1]);
    assert_eq!(system.acknowledge(0), None);
}

#[test]
fn a_message_while_its_interrupt_is_active_is_not_lost() {
    let mut system = System::with_messages(1, 4);
    system.message(0, SPI);
    assert_eq!(system.acknowledge(0), Some((SPI, 0)));
    system.message(0, SPI);
    assert_eq!(system.injected(0), [(SPI, PENDING | ACTIVE)]);
    assert_eq!(system.acknowledge(0), None);
    system.end(0, SPI);
    handle(&mut system, 0, SPI);
    assert_eq!(system.acknowledge(0), None);
}

#[test]
fn a_message_waits_until_its_interrupt_is_enabled() {
    let mut system = System::with_messages(1, 4);
    system.write_bit(0, 0, DISABLE, SPI);
    system.message(0, SPI);
    assert_eq!(system.injected(0), []);
    assert_eq!(system.read_state(0, SET_PENDING, SPI / 32) >> (SPI % 32) & 1, 1);
    system.write_bit(0, 0, ENABLE, SPI);
    handle(&mut system, 0, SPI);
    assert_eq!(system.acknowledge(0), None);
}

#[test]
fn a_message_goes_to_the_vcpu_to_which_the_guest_routes_its_interrupt() {
    let mut system = System::with_messages(2, 4);
    route(&mut system, 0, 1);
    // The LPI still arrives at the other CPU.
    system.message(0, SPI);
    assert_eq!((system.injected(0), system.injected(1)), (vec![], vec![(SPI, PENDING)]));
    handle(&mut system, 1, SPI);
    system.message(1, SPI);
    assert_eq!(system.injected(1), [(SPI, PENDING)]);
    handle(&mut system, 1, SPI);
}

#[test]
fn an_interrupt_is_not_active_on_two_vcpus() {
    let mut system = System::with_messages(2, 4);
    system.message(0, SPI);
    assert_eq!(system.acknowledge(0), Some((SPI, 0)));
    route(&mut system, 1, 1);
    system.message(1, SPI);
    assert_eq!(system.acknowledge(1), None, "it is active on the other");
    system.end(0, SPI);
    handle(&mut system, 1, SPI);
    assert_eq!((system.acknowledge(0), system.acknowledge(1)), (None, None));
    // From then on without the lock: the invariants check what is prepared.
    system.message(1, SPI);
    assert_eq!(system.injected(1), [(SPI, PENDING)]);
    assert_eq!(system.vgic.state.bank(crate::vgic::IntidSet::new(0, SPI / 32, 0)).astray, 0);
}

#[test]
fn no_message_outlives_a_restart() {
    let mut system = System::with_messages(2, 4);
    system.message(0, SPI);
    system.write_bit(0, 0, DISABLE, MESSAGES[1]);
    system.message(0, MESSAGES[1]);
    // One that arrives while no vCPU runs is discarded with the state.
    system.restart_with(|_| {});
    assert_eq!((system.injected(0), system.injected(1)), (vec![], vec![]));
    assert_eq!(system.read_state(0, SET_PENDING, SPI / 32), 0);
    // Nothing is injected before the new life enables it.
    system.message(0, MESSAGES[1]);
    assert_eq!(system.injected(0), []);
}

/// Every message is followed by an interrupt, whatever the guest changes meanwhile; the invariants
/// hold after each step.
#[test]
fn no_message_is_lost_at_random() {
    let mut random = crate::pci::tests::Random(0x9e37_79b9_7f4a_7c15);
    let mut system = System::with_messages(3, 2);
    let (mut active, mut is_due) = (None, false);
    let mut taken = 0;
    for _ in 0..20_000 {
        let cpu = (random.next() % 3) as usize;
        match random.next() % 8 {
            0..=2 => {
                system.message(cpu, SPI);
                is_due = true;
            }
            3 => route(&mut system, cpu, (random.next() % 3) as usize),
            4 => system.write_bit(cpu, cpu, DISABLE, SPI),
            5 => system.write_bit(cpu, cpu, ENABLE, SPI),
            _ => match active.take() {
                Some(on) => system.end(on, SPI),
                None => {
                    let at = (0..3).find(|cpu| system.acknowledge(*cpu).is_some());
                    if at.is_some() {
                        assert!(is_due, "an interrupt without a message");
                        (is_due, active, taken) = (false, at, taken + 1);
                    }
                }
            },
        }
        if active.is_some() {
            let others = (0..3).filter(|cpu| Some(*cpu) != active);
            assert!(others.into_iter().all(|cpu| system.acknowledge(cpu).is_none()));
        }
    }
    if let Some(on) = active {
        system.end(on, SPI);
    }
    system.write_bit(0, 0, ENABLE, SPI);
    let left = (0..3).filter(|cpu| system.acknowledge(*cpu).is_some()).count();
    assert_eq!(left, usize::from(is_due));
    assert!(taken > 1000, "{taken}");
}
