//! The trees of real machines and of guests, checked against QEMU, Linux and dtc.

mod boards;
mod debian;
mod guests;
mod raspberry_pi;
mod virt;

use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::description::Description;
use bulkhead::boot::fdt::Tree;
use bulkhead::boot::machine::{ConsoleUart, Machine};
use bulkhead::boot::plan::Plan;

/// Reads the machine that a tree describes, with its devices.
fn read(tree: &Tree<'_>) -> Machine {
    let mut machine = Machine::read(tree, ConsoleUart::read(tree)).unwrap();
    machine.read_devices(tree, &|_| true);
    machine
}

/// Makes the Plan for a description at this physical address of a machine, or returns the sentence
/// of its refusal.
fn plan(machine: &Machine, description: &[u8], base: u64) -> Result<Plan, String> {
    let tree = Tree::new(description).unwrap();
    let description = Description::read(&tree, tree.root(), Pa::new(base), &|_| None);
    let description = description.unwrap_or_else(|error| panic!("{error}"));
    Plan::new(machine, Mpidr::new(0), &description).map_err(|error| error.to_string())
}

fn region(start: u64, size: u64) -> Region<Pa> {
    Region::new(Pa::new(start), size).unwrap()
}
