//! `/cpus` (Devicetree Specification 0.4, section 3.8, and the binding `arm,cpus`).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Cpu, CpuStart, Fault, MachineError, Mpidr};
use crate::addr::Pa;
use crate::fdt::{Node, Tree};

/// The CPUs that the firmware has not put out of use. At least one.
pub(super) fn read(tree: &Tree<'_>, remarks: &mut Vec<String>) -> Result<Vec<Cpu>, MachineError> {
    let mut cpus: Vec<Cpu> = Vec::new();
    let parent = tree.node("/cpus").ok_or(MachineError::Missing("CPU"))?;
    for node in parent.children() {
        if !is_cpu(node) || !node.is_available() {
            continue;
        }
        let cpu = cpu(node).map_err(|fault| fault.of(node))?;
        if cpus.iter().any(|other| other.mpidr == cpu.mpidr) {
            let (path, mpidr) = (node.path(), cpu.mpidr);
            remarks.push(format!("{path} is passed over: there is another CPU {mpidr}"));
        } else {
            cpus.push(cpu);
        }
    }
    if cpus.is_empty() {
        return Err(MachineError::Missing("CPU"));
    }
    Ok(cpus)
}

fn is_cpu(node: Node<'_, '_>) -> bool {
    let kind = node.property("device_type").and_then(|kind| kind.as_str());
    kind == Some("cpu")
}

fn cpu(node: Node<'_, '_>) -> Result<Cpu, Fault> {
    let reg = node.property("reg").and_then(|reg| reg.number());
    Ok(Cpu {
        mpidr: Mpidr::new(reg.ok_or(Fault::Property("reg"))?),
        start: start(node)?,
        compatible: node.compatible().next().unwrap_or_default().to_string(),
    })
}

/// How the CPU is started: what its node says, or `/cpus` for all of them.
fn start(node: Node<'_, '_>) -> Result<CpuStart, Fault> {
    let property = |name| {
        let common = || node.parent()?.property(name);
        node.property(name).or_else(common)
    };
    let method = property("enable-method").and_then(|method| method.as_str());
    match method {
        Some("psci") => Ok(CpuStart::Psci),
        Some("spin-table") => {
            let address = property("cpu-release-addr").and_then(|address| address.number());
            let address = address.ok_or(Fault::Property("cpu-release-addr"))?;
            Ok(CpuStart::SpinTable(Pa::new(address)))
        }
        _ => Ok(CpuStart::Unknown),
    }
}
