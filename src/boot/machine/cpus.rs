//! The CPUs below `/cpus` (Devicetree Specification 0.4, section 3.8; binding `arm,cpus`).

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::parts::Parts;
use super::{CpuStart, Machine, MachineCpu, MachineError, Mpidr};
use crate::arch::addr::Pa;
use crate::boot::fdt::{Node, NodeError, Property, Tree};

/// Reads the CPUs that firmware has not disabled.
///
/// # Errors
///
/// If there is none, or if a CPU lacks `reg` or an address that its `enable-method` needs.
pub(super) fn read(
    tree: &Tree<'_>,
    parts: &mut Parts<'_, '_>,
) -> Result<Vec<MachineCpu>, MachineError> {
    let mut cpus: Vec<MachineCpu> = Vec::new();
    let parent = tree.node("/cpus").ok_or(MachineError::Missing("CPU"))?;
    for node in parent.children() {
        if node.string("device_type") != Some("cpu") || !node.is_available() {
            continue;
        }
        let mut cpu = cpu(node).map_err(MachineError::at(node))?;
        if let CpuStart::SpinTable(place) = cpu.start
            && !place.is_aligned(size_of::<u64>() as u64)
        {
            let path = node.path();
            parts.remarks.add(format!(
                "{path} cannot be started: cpu-release-addr {place} is not a multiple of 8"
            ));
            cpu.start = CpuStart::Unknown;
        }
        if cpus.iter().any(|other| other.mpidr == cpu.mpidr) {
            parts.remarks.ignore(node, &format_args!("there is another CPU {}", cpu.mpidr));
        } else {
            cpus.push(cpu);
        }
    }
    if cpus.is_empty() { Err(MachineError::Missing("CPU")) } else { Ok(cpus) }
}

impl Machine {
    /// Removes the CPUs past the first `max`, and adds a line to [`Machine::remarks`] that says so.
    /// The boot CPU stays, in place of the last one if it is past them.
    pub fn limit_cpus(&mut self, max: usize, boot_cpu: Mpidr) {
        if let Some(boot) = self.cpus.iter().skip(max).position(|cpu| cpu.mpidr == boot_cpu) {
            let boot = self.cpus.remove(max + boot);
            self.cpus.insert(max - 1, boot);
        }
        let unused = self.cpus.split_off(max.min(self.cpus.len()));
        let why = format_args!("used: Bulkhead supports {max}");
        self.remarks.extend(match &unused[..] {
            [] => None,
            [only] => Some(format!("CPU {} is not {why}", only.mpidr)),
            [first, .., last] => {
                Some(format!("CPUs {} to {} are not {why}", first.mpidr, last.mpidr))
            }
        });
    }
}

/// Reads a CPU's node.
fn cpu(node: Node<'_, '_>) -> Result<MachineCpu, NodeError> {
    // A property of `/cpus` holds for all CPUs that lack it.
    let property = |name| node.property(name).or_else(|| node.parent()?.property(name));
    let number = |property: Option<Property<'_>>, name| {
        property.and_then(|value| value.number()).ok_or(NodeError::Property(name))
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
    Ok(MachineCpu { mpidr: Mpidr::new(number(node.property("reg"), "reg")?), start, compatible })
}
