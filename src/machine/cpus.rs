//! `/cpus` (Devicetree Specification 0.4, section 3.8, and the binding `arm,cpus`).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Cpu, CpuStart, Fault, MachineError, Mpidr};
use crate::addr::Pa;
use crate::fdt::{Node, Property, Tree};

/// The CPUs that the firmware has not put out of use.
pub(super) fn read(tree: &Tree<'_>, remarks: &mut Vec<String>) -> Result<Vec<Cpu>, MachineError> {
    let mut cpus: Vec<Cpu> = Vec::new();
    let parent = tree.node("/cpus").ok_or(MachineError::Missing("CPU"))?;
    for node in parent.children() {
        if node.string("device_type") != Some("cpu") || !node.is_available() {
            continue;
        }
        let mut cpu = cpu(node).map_err(|fault| fault.of(node))?;
        if let CpuStart::SpinTable(place) = cpu.start
            && !place.is_aligned(size_of::<u64>() as u64)
        {
            let path = node.path();
            remarks.push(format!(
                "{path} cannot be started: cpu-release-addr {place} is not a multiple of 8"
            ));
            cpu.start = CpuStart::Unknown;
        }
        if cpus.iter().any(|other| other.mpidr == cpu.mpidr) {
            let (path, mpidr) = (node.path(), cpu.mpidr);
            remarks.push(format!("{path} is passed over: there is another CPU {mpidr}"));
        } else {
            cpus.push(cpu);
        }
    }
    if cpus.is_empty() { Err(MachineError::Missing("CPU")) } else { Ok(cpus) }
}

fn cpu(node: Node<'_, '_>) -> Result<Cpu, Fault> {
    // What `/cpus` says holds for all of them.
    let property = |name| node.property(name).or_else(|| node.parent()?.property(name));
    let number = |property: Option<Property<'_>>, name| {
        property.and_then(|value| value.number()).ok_or(Fault::Property(name))
    };
    let start = match property("enable-method").and_then(|method| method.as_str()) {
        Some("psci") => CpuStart::Psci,
        Some("spin-table") => {
            let name = "cpu-release-addr";
            CpuStart::SpinTable(Pa::new(number(property(name), name)?))
        }
        _ => CpuStart::Unknown,
    };
    let compatible = node.compatible().next().unwrap_or_default().to_string();
    Ok(Cpu { mpidr: Mpidr::new(number(node.property("reg"), "reg")?), start, compatible })
}
