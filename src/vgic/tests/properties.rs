//! Random steps of guests and devices, compared with the reference after each step.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::pair::{Pair, Step};
use super::system::{FOREIGN, HARDWARE_PPI, HARDWARE_SPIS, SOFTWARE_SPI};
use crate::vgic::*;

fn any_intid() -> impl Strategy<Value = usize> {
    let mut intids: Vec<usize> = (0..4).chain([7, 15]).collect();
    intids.extend([HARDWARE_PPI, SOFTWARE_SPI, SOFTWARE_SPI]);
    intids.extend(HARDWARE_SPIS);
    intids.extend(FOREIGN);
    prop::sample::select(intids)
}

fn device() -> impl Strategy<Value = usize> {
    let mut intids = HARDWARE_SPIS.to_vec();
    intids.extend([HARDWARE_PPI, SOFTWARE_SPI]);
    prop::sample::select(intids)
}

fn state_register() -> impl Strategy<Value = StateRegister> {
    prop::sample::select(vec![
        StateRegister::SetEnable,
        StateRegister::SetEnable,
        StateRegister::ClearEnable,
        StateRegister::SetPending,
        StateRegister::ClearPending,
        StateRegister::SetActive,
        StateRegister::ClearActive,
    ])
}

/// Any step.
pub fn step() -> impl Strategy<Value = Step> {
    let cpu = 0..4usize;
    let priority = || (0..6u8).prop_map(|priority| priority * 0x18);
    prop_oneof![
        12 => (cpu.clone(), device(), any::<bool>()).prop_map(|(c, i, h)| Step::Drive(c, i, h)),
        16 => cpu.clone().prop_map(Step::Acknowledge),
        12 => cpu.clone().prop_map(Step::End),
        8 => (cpu.clone(), cpu.clone(), state_register(), any_intid())
            .prop_map(|(c, o, r, i)| Step::State(c, o, r, i)),
        4 => (cpu.clone(), cpu.clone(), any_intid(), priority())
            .prop_map(|(c, o, i, p)| Step::Priority(c, o, i, p)),
        1 => (cpu.clone(), cpu.clone(), any_intid(), any::<bool>())
            .prop_map(|(c, o, i, g)| Step::Group(c, o, i, g)),
        2 => (cpu.clone(), any_intid(), 0..6usize).prop_map(|(c, i, t)| Step::Route(c, i, t)),
        1 => (cpu.clone(), any_intid(), any::<bool>()).prop_map(|(c, i, e)| Step::Edge(c, i, e)),
        1 => (cpu.clone(), prop_oneof![4 => Just(3), 1 => 0..4u32])
            .prop_map(|(c, v)| Step::Control(c, v)),
        1 => (cpu.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(c, a, b)| Step::Groups(c, a, b)),
        8 => (cpu.clone(), 0..48u8, 0..16usize).prop_map(|(c, t, s)| Step::Sgi(c, t, s)),
        2 => (cpu, 0..16usize, 0..16u8, any::<bool>())
            .prop_map(|(c, s, b, on)| Step::PendingSgi(c, s, b, on)),
        2 => Just(Step::Compare),
    ]
}

fn agree(version: Version, cpus: usize, list_registers: usize, split: bool, steps: &[Step]) {
    let mut pair = Pair::new(version, cpus, list_registers, split);
    for step in steps {
        pair.step(step);
    }
    pair.drain();
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(128)
    })]

    #[test]
    fn gicv2_is_a_gic(
        steps in prop::collection::vec(step(), 1..200),
        cpus in 1..5usize,
        list_registers in prop::sample::select(vec![1, 2, 4, 16]),
        split: bool,
    ) {
        agree(Version::V2, cpus, list_registers, split, &steps);
    }

    #[test]
    fn gicv3_is_a_gic(
        steps in prop::collection::vec(step(), 1..200),
        cpus in 1..5usize,
        list_registers in prop::sample::select(vec![1, 2, 4, 16]),
        split: bool,
    ) {
        agree(Version::V3, cpus, list_registers, split, &steps);
    }
}

/// A line that was high while the interrupt was edge-triggered makes it pending once it is
/// level-sensitive.
#[test]
fn line_that_is_high_counts_once_the_interrupt_is_level_sensitive() {
    let mut pair = Pair::direct(1, false);
    for step in [
        Step::Edge(0, SOFTWARE_SPI, true),
        Step::Drive(0, SOFTWARE_SPI, true),
        Step::Acknowledge(0),
        Step::End(0),
        Step::Acknowledge(0),
        Step::Edge(0, SOFTWARE_SPI, false),
        Step::Acknowledge(0),
        Step::Compare,
    ] {
        pair.step(&step);
    }
}
