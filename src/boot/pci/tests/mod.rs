//! What boot finds out about functions that behave, and about those that do not.

mod extended;

use alloc::string::{String, ToString};
use alloc::vec;
use core::cell::RefCell;
use std::collections::BTreeSet;

use super::*;
use crate::arch::addr::{Pa, Region};
use crate::arch::intid::{Interrupt, Intid, Trigger};
use crate::boot::fdt::{NodeError, Tree};
use crate::boot::plan::tests::{Cells, Nothing, Spec, Text};
use crate::pci::registers::{
    BAR, BUSES, COMMAND, EXPRESS, HEADER, HEADER_MULTIPLE, INTERRUPT, MSI, MSI_X, POWER_MANAGEMENT,
    VENDOR,
};
use crate::pci::tests::{Buses, Model, Random, Wild};
use crate::pci::{ConfigurationSpace, Function, Rule};

/// A GIC and a host bridge like QEMU's, with two slots in its map of interrupts.
fn machine() -> Spec {
    let gic = Spec::new("intc@8000000")
        .with("compatible", Text(&["arm,gic-v3"]))
        .with("#interrupt-cells", Cells(&[3]))
        .with("#address-cells", Cells(&[2]))
        .with("phandle", Cells(&[7]));
    Spec::new("").with("#address-cells", Cells(&[2])).with("#size-cells", Cells(&[2])).child(gic)
}

fn host() -> Spec {
    Spec::new("pcie@10000000")
        .with("compatible", Text(&["pci-host-ecam-generic"]))
        .with("#address-cells", Cells(&[3]))
        .with("#size-cells", Cells(&[2]))
        .with("#interrupt-cells", Cells(&[1]))
        .with("reg", Cells(&[0x40, 0x1000_0000, 0, 0x1000_0000]))
        .with("bus-range", Cells(&[0, 0xff]))
        .with("dma-coherent", Nothing)
        .with(
            "ranges",
            Cells(&[
                0x100_0000,
                0,
                0,
                0,
                0x3eff_0000,
                0,
                0x1_0000, //
                0x200_0000,
                0,
                0x1000_0000,
                0,
                0x1000_0000,
                0,
                0x2eff_0000, //
                0x300_0000,
                0x80,
                0,
                0x80,
                0,
                0x80,
                0,
            ]),
        )
        .with("interrupt-map-mask", Cells(&[0x1800, 0, 0, 7]))
        .with(
            "interrupt-map",
            Cells(&[
                0, 0, 0, 1, 7, 0, 0, 0, 3, 4, //
                0, 0, 0, 2, 7, 0, 0, 0, 4, 4, //
                0x800, 0, 0, 1, 7, 0, 0, 0, 4, 1,
            ]),
        )
}

/// The tree of a machine with a host bridge like QEMU's.
pub(crate) fn tree() -> Vec<u8> {
    machine().child(host()).tree()
}

/// The same, but the accesses of slot 0 arrive at the SMMU with phandle 1, from stream 0x100 on.
pub(crate) fn tree_with_smmu() -> Vec<u8> {
    machine().child(host().with("iommu-map", Cells(&[0, 1, 0x100, 8]))).tree()
}

/// The same, but all functions have the stream 0x100.
pub(crate) fn tree_with_one_stream() -> Vec<u8> {
    let host = host().with("iommu-map-mask", Cells(&[0]));
    machine().child(host.with("iommu-map", Cells(&[0, 1, 0x100, 8]))).tree()
}

fn read(host: Spec) -> Result<HostBridge, NodeError> {
    let bytes = machine().child(host).tree();
    let tree = Tree::new(&bytes).unwrap();
    HostBridge::nodes(&tree).next().map(HostBridge::read).unwrap()
}

/// A host bridge like QEMU's.
pub(crate) fn bridge() -> HostBridge {
    read(host()).unwrap()
}

/// An NVMe controller like QEMU's, in this slot.
pub(crate) fn nvme(device: u8) -> Model {
    Model::new(device, 0, 0x0010_1b36)
        .with(COMMAND, 0x0010_0006)
        .with(INTERRUPT, 1 << 8)
        .with(BAR, 4)
        .writable(BAR, 0xffff_c000)
        .writable(BAR + 4, u32::MAX)
        .with(0x34, 0x40)
        .with(0x40, 0x8000 | u32::from(MSI_X))
        .with(0x80, 0x0002_6000 | u32::from(EXPRESS))
        .with(0x84, 0x1000_8000)
        .with(0x60, 0x0003_0000 | u32::from(POWER_MANAGEMENT))
}

#[test]
fn a_host_bridge_is_read() {
    let bridge = bridge();
    assert_eq!((bridge.first_bus, bridge.last_bus, bridge.is_coherent), (0, 255, true));
    let region = |start, size| Region::new(Pa::new(start), size).unwrap();
    assert_eq!(bridge.configuration, region(0x40_1000_0000, 0x1000_0000));
    let window = BusWindow { bus: 0x1000_0000, region: region(0x1000_0000, 0x2eff_0000) };
    assert_eq!(bridge.windows, [window]);
    let interrupt = |device, pin| bridge.interrupt(Address::new(0, device, 0), pin);
    let spi = |number, trigger| Some(Interrupt { intid: Intid::spi(number).unwrap(), trigger });
    assert_eq!(interrupt(0, 1), spi(3, Trigger::Level));
    assert_eq!(interrupt(4, 2), spi(4, Trigger::Level));
    assert_eq!(interrupt(5, 1), spi(4, Trigger::Edge));
    assert_eq!(interrupt(5, 2), None);
    // As far as there is configuration space.
    let few = read(host().with("reg", Cells(&[0x40, 0, 0, 0x20_0000]))).unwrap();
    assert_eq!(few.last_bus, 1);
}

#[test]
fn invalid_host_bridges_are_errors() {
    for (property, value, error) in [
        ("bus-range", Cells(&[3]), "`bus-range` is missing or invalid"),
        ("bus-range", Cells(&[3, 2]), "`bus-range` is missing or invalid"),
        ("bus-range", Cells(&[0, 256]), "`bus-range` is missing or invalid"),
        ("reg", Cells(&[0, 0, 0, 0xf_ffff]), "`reg` is missing or invalid"),
        ("reg", Cells(&[]), "`reg` is missing or invalid"),
        ("ranges", Cells(&[2 << 24, 0]), "its `ranges` end within an entry"),
        ("#address-cells", Cells(&[2]), "`#address-cells` is missing or invalid"),
        (
            "interrupt-map",
            Cells(&[0, 0, 0, 1, 7, 0, 0, 0]),
            "`interrupt-map` is missing or invalid",
        ),
        ("interrupt-map", Cells(&[0, 0, 0, 1, 8]), "`interrupt-map` is missing or invalid"),
        ("#interrupt-cells", Cells(&[2]), "`#interrupt-cells` is missing or invalid"),
        ("interrupt-map-mask", Cells(&[0]), "`interrupt-map-mask` is missing or invalid"),
    ] {
        let error_is = read(host().with(property, value.clone())).unwrap_err().to_string();
        assert_eq!(error_is, error, "{property} {value:?}");
    }
}

/// A multi-function device, and bridges behind bridges with functions between.
#[test]
fn functions_are_found_behind_numbered_bridges() {
    let with_more = nvme(2).with(HEADER, HEADER_MULTIPLE);
    let buses = Buses::new(vec![
        Model::bridge(1),
        Model::bridge(3).behind(0).with(BUSES, 0x9_0909),
        with_more,
        nvme(5).behind(1),
        Model { function: 3, ..nvme(2) },
        Model::bridge(4),
        nvme(0).behind(5),
        // A function that function 0 does not announce.
        nvme(7),
        Model { function: 1, ..nvme(7) },
    ]);
    let found = functions(&bridge(), 6, &buses);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/pcie@10000000/pci@1,0",
            "/pcie@10000000/pci@2,0",
            "/pcie@10000000/pci@2,3",
            "/pcie@10000000/pci@4,0",
            "/pcie@10000000/pci@7,0",
            "/pcie@10000000/pci@1,0/pci@3,0",
            "/pcie@10000000/pci@1,0/pci@3,0/pci@5,0",
            "/pcie@10000000/pci@4,0/pci@0,0",
        ]
    );
    let numbers = |index| buses.value(index, BUSES) & 0xff_ffff;
    assert_eq!([0, 1, 5].map(numbers), [0x02_0100, 0x02_0201, 0x03_0300]);
    let (_, deep) = &found[6];
    assert_eq!(deep.address, Address::new(2, 5, 0));
    assert_eq!(deep.ports, [Address::new(0, 1, 0), Address::new(1, 3, 0)]);
    assert_eq!((deep.kind, deep.bridge, deep.pin), (Kind::Endpoint, 6, 1));
    // INTA of device 5 is INTB of the bridge 3, which is INTA of the port 1.
    assert_eq!(bridge().interrupt_of(deep), bridge().interrupt(Address::new(0, 1, 0), 1));
    assert!(bridge().interrupt_of(deep).is_some());
    assert_eq!(found[0].1.kind, Kind::Bridge);
    // All are off.
    for index in 0..8 {
        assert_eq!(buses.value(index, COMMAND) & 6, 0, "{index}");
    }
}

#[test]
fn more_bridges_than_buses_are_left_closed() {
    let buses = Buses::new(vec![Model::bridge(1), Model::bridge(2), nvme(0).behind(1)]);
    let host = HostBridge { last_bus: 1, ..bridge() };
    assert_eq!(functions(&host, 0, &buses).len(), 2);
    assert_eq!(buses.value(1, BUSES) & 0xff_ff00, 0);
}

#[test]
fn memory_is_sized_and_keeps_its_address() {
    let model = Model::new(1, 0, 0x1234_5678)
        .with(BAR, 0xfebc_0000)
        .writable(BAR, 0xfffe_0000)
        .with(BAR + 4, 0x1001)
        .writable(BAR + 4, 0xffff_ffe0)
        .with(BAR + 8, 0x2000_000c)
        .writable(BAR + 8, 0)
        .with(BAR + 12, 0x80)
        .writable(BAR + 12, 0xffff_fff8)
        .with(BAR + 20, 0)
        .writable(BAR + 20, 0xffff_fff0);
    let buses = Buses::new(vec![model.with(BAR + 8, 0xc)]);
    let found = bars::bars(Address::new(0, 1, 0), &buses).unwrap();
    let bar = |number, size, is_wide, flags| Bar { number, size, is_wide, flags };
    let all = [bar(0, 0x2_0000, false, 0), bar(2, 8 << 32, true, 0xc), bar(5, 16, false, 0)];
    assert_eq!(found, all);
    assert_eq!(buses.value(0, BAR), 0xfebc_0000);
    assert_eq!(buses.value(0, BAR + 12), 0x80);
}

#[test]
fn broken_base_address_registers_make_a_function_unusable() {
    let kind = |model: Model| functions(&bridge(), 0, &Buses::new(vec![model]))[0].1.kind;
    let tells_no_size = Kind::Unusable("has a base address register that tells no size");
    let plain = || Model::new(1, 0, 0x1234_5678);
    assert_eq!(kind(plain().writable(BAR, 0xf0ff_0000)), tells_no_size);
    assert_eq!(kind(plain().writable(BAR, 0x0fff_0000)), tells_no_size);
    assert_eq!(kind(plain().with(BAR, 2).writable(BAR, 0xffff_0000)), tells_no_size);
    let last = kind(plain().with(BAR + 20, 4).writable(BAR + 20, 0xffff_0000));
    let what = "has a base address register of 64 bits where there is none of 32 left";
    assert_eq!(last, Kind::Unusable(what));
    let layout = kind(plain().with(HEADER, 2 << 16));
    assert_eq!(layout, Kind::Unusable("has a configuration header of an unknown layout"));
    let pin = kind(plain().with(INTERRUPT, 5 << 8));
    assert_eq!(pin, Kind::Unusable("has an interrupt pin that does not exist"));
}

#[test]
fn lists_of_capabilities_end() {
    let capabilities = |model: Model| {
        let buses = Buses::new(vec![model.with(COMMAND, 1 << 20)]);
        let found = capabilities::capabilities(Address::new(0, 1, 0), &buses);
        found.iter().map(|it| (it.offset, it.id)).collect::<Vec<_>>()
    };
    let plain = || Model::new(1, 0, 0x1234_5678);
    let circle = plain().with(0x34, 0x43).with(0x40, 0x5001).with(0x50, 0x4205);
    assert_eq!(capabilities(circle), [(0x40, 1), (0x50, 5)]);
    assert_eq!(capabilities(plain().with(0x34, 0x3c)), []);
    assert_eq!(capabilities(plain().with(0x34, 0x40).with(0x40, 0x1001)), [(0x40, 1)]);
    let mut endless = plain().with(0x34, 0x40);
    for offset in (0x40..0x100).step_by(4) {
        endless = endless.with(offset, u32::from(offset + 4) << 8 | 9);
    }
    assert_eq!(capabilities(endless).len(), 48);
}

/// Returns what a guest loads of a function in slot 1 whose memory is at `address`.
fn seen(model: Model, address: u64) -> (Buses, Function) {
    let buses = Buses::new(vec![model]);
    let (_, function) = functions(&bridge(), 0, &buses).remove(0);
    let view = view(&function, &[address], false);
    (buses, Function::new(function.address, view, (address, 0x4000)))
}

#[test]
fn a_guest_sees_no_interrupts_by_message_and_no_reset() {
    let (buses, function) = seen(nvme(1), 0x1000_4000);
    let load = |offset| function.load(offset, 4, &buses);
    assert_eq!(load(0), 0x0010_1b36);
    assert_eq!((load(BAR), load(BAR + 4), load(BAR + 8)), (0x1000_4004, 0, 0));
    // From the first visible capability, PCI Express, to Power Management, the last.
    assert_eq!(load(0x34), 0x80);
    assert_eq!(load(0x80), 0x0002_6000 | u32::from(EXPRESS) as u64);
    assert_eq!(load(0x84), 0x8000);
    assert_eq!(load(0x60), 0x0003_0000 | u64::from(POWER_MANAGEMENT));
    assert_eq!((load(0x40), load(0x44)), (0, 0));
    let (_, found) = functions(&bridge(), 0, &buses).remove(0);
    assert_eq!(found.reset, ResetMethod::Express(0x80));
}

/// A guest enables, masks and sets messages, and changes nothing else of their capabilities.
#[test]
fn a_guest_sees_the_messages_that_can_be_taken() {
    const SETTING: u32 = 0x1234_5678;
    let model = Model::new(1, 0, 0x1234_5678)
        .with(COMMAND, 0x0010_0000)
        .with(0x34, 0x40)
        .with(0x40, 0x0188_5800 | u32::from(MSI))
        .with(0x58, 0x8007_6000 | u32::from(MSI_X))
        .with(0x60, 0x0003_0000 | u32::from(POWER_MANAGEMENT));
    let model = (0x40..0x64).step_by(4).fold(model, |model, at| model.writable(at, u32::MAX));
    let buses = Buses::new(vec![model]);
    let (_, mut function) = functions(&bridge(), 0, &buses).remove(0);
    assert_eq!(function.messages(), 16, "of MSI");
    function.capabilities[1].upper = 0x0040;
    assert_eq!(function.messages(), 65, "of MSI-X");
    let view = view(&function, &[], true);
    let mut guest = Function::new(function.address, view, (0x1000_0000, 0x1000));
    assert_eq!(guest.load(0x34, 4, &buses), 0x40);
    assert_eq!(guest.load(0x40, 4, &buses), 0x0188_5800 | u64::from(MSI));
    for (offset, writable) in [
        (0x40, 0x0071_0000),
        (0x44, 0xffff_fffc),
        (0x48, 0xffff_ffff),
        (0x4c, 0xffff),
        (0x50, 0xffff_ffff),
        (0x54, 0),
        (0x58, 0xc000_0000),
        (0x5c, 0),
        (0x60, 0),
    ] {
        let before = buses.value(0, offset);
        guest.store(offset, 4, SETTING.into(), &buses);
        assert_eq!(buses.value(0, offset), before & !writable | SETTING & writable, "{offset:#x}");
    }
    // In parts.
    guest.store(0x4c, 1, 0xab, &buses);
    assert_eq!(buses.value(0, 0x4c), SETTING & 0xff00 | 0xab);
    guest.store(0x5b, 1, 0xff, &buses);
    assert_eq!(buses.value(0, 0x58) >> 30, 0b11);
}

/// MSI, MSI-X and a power state that firmware has left; nothing else of these registers changes.
#[test]
fn what_firmware_has_set_is_undone() {
    let model = Model::new(1, 0, 0x1234_5678)
        .with(COMMAND, 0x0010_0006)
        .with(0x34, 0x40)
        .with(0x40, 0x01c3_5000 | u32::from(MSI))
        .with(0x50, 0x8007_6000 | u32::from(MSI_X))
        .with(0x60, 0x0003_0000 | u32::from(POWER_MANAGEMENT))
        .with(0x64, 0x0000_2103);
    let model = [0x40, 0x50, 0x64].iter().fold(model, |it, at| it.writable(*at, u32::MAX));
    let buses = Buses::new(vec![model]);
    functions(&bridge(), 0, &buses);
    let values = [0x40, 0x50, 0x64].map(|offset| buses.value(0, offset));
    assert_eq!(values, [0x01c2_5005, 0x0007_6011, 0x2100]);
    assert_eq!(buses.value(0, COMMAND) & 0xffff, 0x400);
}

#[test]
fn a_capability_ends_where_another_begins() {
    let model = nvme(1)
        .with(0x34, 0x40)
        .with(0x40, 0x00ff_4400 | u32::from(VENDOR))
        .with(0x44, 0x4800 | u32::from(MSI))
        .with(0x48, u32::from(VENDOR))
        .with(0x4c, 0x1234_5678);
    let (buses, function) = seen(model, 0x1000_4000);
    let load = |offset| function.load(offset, 4, &buses);
    assert_eq!([load(0x34), load(0x40), load(0x44)], [0x40, 0x00ff_4809, 0]);
    // It says that it has no length.
    assert_eq!([load(0x48), load(0x4c)], [9, 0]);
}

#[test]
fn wild_functions_are_found_in_bounded_time_and_seen_without_a_panic() {
    let mut paths = BTreeSet::<String>::new();
    for seed in 1..=40 {
        let wild = Wild(RefCell::new(Random(seed * 0x9e37_79b9)));
        let host = HostBridge { last_bus: 3, ..bridge() };
        for (path, function) in functions(&host, 0, &wild) {
            let addresses: Vec<_> = function.bars.iter().map(|_| 0x1000_0000).collect();
            let view = view(&function, &addresses, seed % 2 == 0);
            let commands = view.rules.iter().filter(|rule| **rule == Rule::Command).count();
            assert_eq!(commands, 1);
            let mut function = Function::new(function.address, view, (0x1000_0000, 0x1000));
            for offset in (0..4096).step_by(3) {
                function.store(offset, 4, u64::MAX, &wild);
                function.load(offset, 2, &wild);
            }
            paths.insert(path);
        }
    }
    assert!(paths.len() > 100, "{}", paths.len());
    let wild = Wild(RefCell::new(Random(1)));
    assert!(wild.read(Address::new(0, 0, 0), 0) != wild.read(Address::new(0, 0, 0), 0));
}
