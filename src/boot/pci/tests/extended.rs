//! Access Control Services, and what else firmware may have left in a function or a bridge.

use super::*;
use crate::pci::registers::{
    ACS, BRIDGE_ROM, ENHANCED_ALLOCATION, ROM, SR_IOV, SR_IOV_CONTROL, SR_IOV_ENABLE,
};

/// The offset of ACS in a port of QEMU's, and what that offers.
const AT: u16 = 0x148;
const OFFERED: u32 = 0x5f;

/// Returns a port with another extended capability and then ACS, which offers this.
fn port(offered: u32) -> Model {
    Model::bridge(1)
        .with(0x100, u32::from(AT) << 20 | 1 << 16 | 1)
        .with(AT, 1 << 16 | u32::from(ACS))
        // Egress control, which nobody wants.
        .with(AT + 4, 1 << 21 | offered)
        .writable(AT + 4, 0x7f << 16)
}

/// Returns whether a function behind this port is isolated, and ACS Control of the port.
fn isolated(port: Model) -> (bool, u32) {
    let buses = Buses::new(vec![port, nvme(0).behind(0)]);
    let (_, function) = functions(&bridge(), 0, &buses).remove(1);
    (function.is_isolated, buses.value(0, AT + 4) >> 16)
}

#[test]
fn ports_check_ids_and_send_accesses_up() {
    assert_eq!(isolated(port(OFFERED)), (true, 0x1d));
    // What a port with ACS lacks it never does.
    assert_eq!(isolated(port(1)), (true, 1));
    assert_eq!(isolated(port(OFFERED & !1)), (false, 0x1c));
    assert!(!isolated(port(OFFERED).writable(AT + 4, 0x0f << 16)).0);
    assert!(!isolated(port(OFFERED).writable(AT + 4, 0)).0);
    assert!(!isolated(Model::bridge(1)).0);
    // A circle, a list that leaves its space, and one whose last capability has no room.
    assert!(!isolated(port(OFFERED).with(0x100, 0x100 << 20 | 1)).0);
    assert!(!isolated(port(OFFERED).with(0x100, 0x40 << 20 | 1)).0);
    let at_end = Model::bridge(1).with(0x100, 0xffc << 20 | 1).with(0xffc, u32::from(ACS));
    assert!(!isolated(at_end).0);
    // On the host bridge's own bus there is no port.
    assert!(functions(&bridge(), 0, &Buses::new(vec![nvme(0)]))[0].1.is_isolated);
}

/// The port of the host bridge decides, whatever is behind it.
#[test]
fn functions_behind_a_switch_are_as_isolated_as_its_port() {
    for (outer, inner, expected) in
        [(port(OFFERED), Model::bridge(0), true), (Model::bridge(1), port(OFFERED), false)]
    {
        let buses = Buses::new(vec![outer, inner.behind(0), nvme(0).behind(1)]);
        let (path, function) = functions(&bridge(), 0, &buses).remove(2);
        assert_eq!((function.ports.len(), function.is_isolated), (2, expected), "{path}");
    }
}

#[test]
fn addresses_that_firmware_has_assigned_are_taken_away() {
    let bar = |model: Model| model.with(BAR, 0x1000_0000).writable(BAR, 0xffff_f000);
    let function = nvme(0)
        .with(ROM, 0x1000_0001)
        .writable(ROM, 0xffff_f801)
        .with(0x100, 1 << 16 | u32::from(SR_IOV))
        .with(0x100 + SR_IOV_CONTROL, 0x0001_0000 | SR_IOV_ENABLE | 0x10)
        .writable(0x100 + SR_IOV_CONTROL, 0xffff_ffff);
    let port = bar(Model::bridge(1)).with(BRIDGE_ROM, 0x1000_0001).writable(BRIDGE_ROM, u32::MAX);
    let buses = Buses::new(vec![port, function.behind(0)]);
    functions(&bridge(), 0, &buses);
    assert_eq!((buses.value(0, BAR), buses.value(0, BRIDGE_ROM)), (0xffff_f000, 0));
    // Status, where ones clear bits, is written as zeros.
    assert_eq!((buses.value(1, ROM), buses.value(1, 0x100 + SR_IOV_CONTROL)), (0, 0x10));
    // No window is where the memory of the bridge is.
    let mut ranges = vec![2 << 24, 0, 0xf000_0000, 0, 0x1000_0000, 0, 0x2000_0000];
    ranges.extend([2 << 24, 0, 0xfff0_0000, 0, 0x4000_0000, 0, 0x10_0000]);
    let host = read(host().with("ranges", Cells(ranges.leak()))).unwrap();
    let region = Region::new(Pa::new(0x1000_0000), 0xff0_0000).unwrap();
    assert_eq!(host.windows[0], BusWindow { bus: 0xf000_0000, region });
    assert!(host.windows[1..].iter().all(|it| it.region.is_empty()));
}

#[test]
fn a_function_with_addresses_of_its_own_choice_is_unusable() {
    let model = nvme(1).with(0x40, 0x8000 | u32::from(ENHANCED_ALLOCATION));
    let (_, function) = functions(&bridge(), 0, &Buses::new(vec![model])).remove(0);
    assert_eq!(function.kind, Kind::Unusable("has memory at addresses of its own choice"));
}

/// The reset of a bus takes the numbers from the bridges on it.
#[test]
fn a_bus_with_a_bridge_is_not_reset() {
    let card = |bridge| Model::new(0, 0, 0x10d3_8086).with(HEADER, HEADER_MULTIPLE).behind(bridge);
    let beside = Model { function: 1, ..Model::bridge(0) }.behind(0);
    let buses = Buses::new(vec![
        Model::bridge(1),
        card(0),
        beside,
        Model::new(0, 0, 0x10d3_8086).behind(2),
        Model::bridge(2),
        card(4),
    ]);
    let found = functions(&bridge(), 0, &buses);
    let resets = found.iter().filter(|(_, it)| it.kind == Kind::Endpoint);
    let resets: Vec<_> = resets.map(|(_, it)| it.reset).collect();
    let alone = ResetMethod::Bus(Address::new(0, 2, 0));
    assert_eq!(resets, [ResetMethod::None, ResetMethod::None, alone]);
}
