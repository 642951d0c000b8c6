//! Finds the functions below a host bridge, and numbers its buses (PCIe 7.3, and the PCI-to-PCI
//! Bridge Architecture Specification 1.2, 3.2.5).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::bars::bars;
use super::capabilities::{capabilities, reset, set_up};
use super::extended::isolate;
use super::{HostBridge, Kind, PciFunction, Unit};
use crate::pci::registers::{
    BAR, BRIDGE_ROM, BUSES, COMMAND, COMMAND_INTX_DISABLE, ENHANCED_ALLOCATION, HEADER,
    HEADER_BRIDGE, HEADER_LAYOUT, HEADER_MULTIPLE, ID, INTERRUPT,
};
use crate::pci::{Address, ConfigurationSpace, DEVICES, FUNCTIONS, ResetMethod};

/// A bus.
struct Bus {
    number: u8,
    /// The path of the bridge that leads to it.
    path: String,
    /// The bridges that lead to it, the outermost first.
    ports: Vec<Address>,
    /// Whether the outermost of them isolates what is behind it.
    is_isolated: bool,
}

/// What is still to be done.
enum Step {
    /// Number the bus below this bridge, and find its functions. The path is the bridge's, and it is
    /// the last of the ports.
    Open { path: String, ports: Vec<Address>, is_isolated: bool },
    /// All buses below this bridge are numbered: the second number is that of the first one.
    Close(Address, u8),
}

/// Returns the functions below a host bridge, which is [`Machine::host_bridges`] at `index`, each
/// with its path. All of them are switched off: none decodes an address, masters the bus or asserts
/// an interrupt. Buses are numbered in the order in which their bridges are found, those below a
/// bridge before those beside it. What has no number left is left out.
///
/// [`Machine::host_bridges`]: crate::boot::machine::Machine::host_bridges
pub fn functions(
    host: &HostBridge,
    index: usize,
    hardware: &dyn ConfigurationSpace,
) -> Vec<(String, PciFunction)> {
    let mut found = Vec::new();
    let mut last = host.first_bus;
    let root = Bus { number: last, path: host.path.clone(), ports: Vec::new(), is_isolated: true };
    let mut steps = scan(root, index, hardware, &mut found);
    // A bridge is opened only with a number of its own, so there are at most 255.
    while let Some(step) = steps.pop() {
        match step {
            Step::Open { path, ports, is_isolated } => {
                let Some(bridge) = ports.last().copied().filter(|_| last < host.last_bus) else {
                    continue;
                };
                last += 1;
                // Until those below are numbered, the bridge leads to every bus that is left.
                number(bridge, last, host.last_bus, hardware);
                steps.push(Step::Close(bridge, last));
                let bus = Bus { number: last, path, ports, is_isolated };
                steps.extend(scan(bus, index, hardware, &mut found));
            }
            Step::Close(bridge, below) => number(bridge, below, last, hardware),
        }
    }
    keep_numbers(&mut found);
    found
}

/// Has no bus reset that a bridge is on: the buses behind that would lose their numbers.
fn keep_numbers(found: &mut [(String, PciFunction)]) {
    let is_bridge = |it: &&(String, PciFunction)| it.1.kind == Kind::Bridge;
    let inner: Vec<_> =
        found.iter().filter(is_bridge).filter_map(|(_, it)| it.ports.last().copied()).collect();
    for (_, function) in found {
        if let ResetMethod::Bus(port) = function.reset
            && inner.contains(&port)
        {
            function.reset = ResetMethod::None;
        }
    }
}

/// Adds the functions on a bus to those that are `found`, and returns what is to be done for its
/// bridges, the first at the end.
fn scan(
    bus: Bus,
    index: usize,
    hardware: &dyn ConfigurationSpace,
    found: &mut Vec<(String, PciFunction)>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for address in addresses(bus.number, hardware) {
        hardware.write(address, COMMAND, COMMAND_INTX_DISABLE);
        let function = function(index, address, &bus, hardware);
        let path = format!("{}/pci@{}", bus.path, Unit(address));
        if function.kind == Kind::Bridge {
            // It leads to no bus, whatever firmware has said.
            number(address, 0, 0, hardware);
            move_away(address, hardware);
            let isolates = isolate(address, hardware);
            let is_isolated = if bus.ports.is_empty() { isolates } else { bus.is_isolated };
            let mut ports = bus.ports.clone();
            ports.push(address);
            steps.push(Step::Open { path: path.clone(), ports, is_isolated });
        }
        found.push((path, function));
    }
    steps.reverse();
    steps
}

/// Returns the addresses of the functions on a bus.
fn addresses(bus: u8, hardware: &dyn ConfigurationSpace) -> Vec<Address> {
    let mut found = Vec::new();
    for device in 0..DEVICES {
        for number in 0..FUNCTIONS {
            let address = Address::new(bus, device, number);
            if hardware.read(address, ID) & 0xffff != 0xffff {
                found.push(address);
            }
            // Function 0 is always there, and tells whether there are others.
            let has_more = || {
                let header = hardware.read(address, HEADER);
                found.last() == Some(&address) && header & HEADER_MULTIPLE != 0
            };
            if number == 0 && !has_more() {
                break;
            }
        }
    }
    found
}

/// Puts the memory of a bridge itself to the end of its addresses, where no window is. It has two Base
/// Address Registers, which it decodes whenever it forwards (PCIe 7.5.1.3).
fn move_away(bridge: Address, hardware: &dyn ConfigurationSpace) {
    for (register, value) in [(BAR, u32::MAX), (BAR + 4, u32::MAX), (BRIDGE_ROM, 0)] {
        hardware.write(bridge, register, value);
    }
}

/// Sets the numbers of the first and the last bus below a bridge.
fn number(bridge: Address, below: u8, last: u8, hardware: &dyn ConfigurationSpace) {
    let [own, below, last] = [bridge.bus(), below, last].map(u32::from);
    hardware.write(bridge, BUSES, last << 16 | below << 8 | own);
}

/// Finds out about a function, which is switched off.
fn function(
    bridge: usize,
    address: Address,
    bus: &Bus,
    hardware: &dyn ConfigurationSpace,
) -> PciFunction {
    let layout = hardware.read(address, HEADER) & HEADER_LAYOUT;
    let mut found = PciFunction {
        bridge,
        address,
        kind: Kind::Endpoint,
        ports: bus.ports.clone(),
        is_isolated: bus.is_isolated,
        bars: Vec::new(),
        pin: (hardware.read(address, INTERRUPT) >> 8) as u8,
        capabilities: capabilities(address, hardware),
        reset: ResetMethod::None,
        source: None,
    };
    found.kind = match layout {
        HEADER_BRIDGE => Kind::Bridge,
        0 => match bars(address, hardware) {
            Ok(bars) => {
                found.bars = bars;
                set_up(address, &found.capabilities, hardware);
                found.reset = reset(address, &found.capabilities, hardware);
                // Buses further away would lose their numbers with the bridge that leads to them.
                if let (ResetMethod::None, [port]) = (found.reset, &bus.ports[..]) {
                    found.reset = ResetMethod::Bus(*port);
                }
                let is_fixed = found.capabilities.iter().any(|it| it.id == ENHANCED_ALLOCATION);
                match found.pin {
                    _ if is_fixed => Kind::Unusable("has memory at addresses of its own choice"),
                    0..=4 => Kind::Endpoint,
                    _ => Kind::Unusable("has an interrupt pin that does not exist"),
                }
            }
            Err(fault) => Kind::Unusable(fault),
        },
        _ => Kind::Unusable("has a configuration header of an unknown layout"),
    };
    found
}
