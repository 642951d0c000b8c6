//! Messages of PCI Express functions.

use super::dma::machine_with_smmu;
use super::*;
use crate::boot::guest_tree;
use crate::boot::machine::{MessageController, MessageKind, Stream};
use crate::boot::msi::{Features, MessageSource};
use crate::boot::pci::tests::{bridge, nvme};
use crate::boot::pci::{self};
use crate::boot::report::report;
use crate::devices::address_map::MESSAGE_FRAME;
use crate::mm::tables::Attributes;
use crate::msi::frame::FrameSpis;
use crate::pci::Rule;
use crate::pci::registers::MSI_X;
use crate::pci::tests::Buses;

const ITS: &str = "/intc@8000000/its@8080000";

/// A machine with two NVMe controllers behind an SMMU, in slots 0 and 1, whose host bridge leads
/// messages to this controller. Their DeviceIDs are 0x100 and 0x108.
pub(crate) fn machine_with_messages(gic: Gic, kind: MessageKind) -> Machine {
    let mut machine = Machine { gic, ..machine_with_smmu(&[]) };
    let (path, place) = match kind {
        MessageKind::Its(_) => (ITS, (0x808_0000, 0x2_0000)),
        MessageKind::Frame(_) => ("/intc@8000000/v2m@8020000", (0x802_0000, 0x1000)),
    };
    machine.message_controllers.push(MessageController {
        path: path.to_string(),
        registers: region(place.0, place.1),
        kind,
        phandle: Some(9),
    });
    let host = bridge();
    let with_table = |slot| nvme(slot).with(0x40, 0x0040_8000 | u32::from(MSI_X));
    let buses = Buses::new(vec![with_table(0), with_table(1)]);
    for (number, (path, mut function)) in (0..).zip(pci::functions(&host, 0, &buses)) {
        let id = 0x100 + number * 8;
        function.source = Some(MessageSource { controller: 0, id });
        machine.devices.push(Device {
            interrupts: host.interrupt_of(&function).into_iter().collect(),
            function: Some(Box::new(function)),
            registers: vec![],
            streams: vec![Stream { smmu: 0, id }],
            ..device(&path, (0, 0), None)
        });
    }
    machine.host_bridges.push(host);
    machine
}

fn its() -> Machine {
    machine_with_messages(gic_v3(), MessageKind::Its(Ok(Features::ASSUMED)))
}

fn frame() -> Machine {
    let spis = FrameSpis::new(80, 64);
    machine_with_messages(gic_v2(), MessageKind::Frame(spis))
}

/// Two partitions with a controller each.
pub(crate) fn two() -> [Spec; 2] {
    let of = |name, path: &'static [&'static str]| partition(name).with("devices", Text(path));
    [of("one", &["/pcie@10000000/pci@0,0"]), of("two", &["/pcie@10000000/pci@1,0"])]
}

fn shows_messages(plan: &PartitionPlan) -> bool {
    let bus = plan.pci.as_ref().unwrap();
    let rules = bus.functions.iter().flat_map(|function| &function.view.rules);
    rules.into_iter().any(|rule| matches!(rule, Rule::Messages { .. }))
}

#[test]
fn an_its_takes_the_messages_of_trapped_partitions() {
    let machine = its();
    let plan = plan_on(&machine, &system(two())).unwrap();
    let page = Pa::new(0x809_0000);
    for (partition, id) in plan.partitions.iter().zip([0x100, 0x108]) {
        // One for its vCPU and seven others.
        let spis = FrameSpis::new(64, 8).unwrap();
        let messages = MessagePlan { controller: 0, spis, page, is_virtual: true };
        assert_eq!(partition.messages, Some(messages));
        assert_eq!(partition.pci.as_ref().unwrap().functions[0].source, Some(id));
        assert!(shows_messages(partition));
        let reached = partition.dma_mappings[0];
        let attributes = Attributes::MESSAGES;
        assert_eq!(reached, Mapping { ipa: MESSAGE_FRAME, pa: page, size: 0x1000, attributes });
        assert!(!partition.mappings.iter().any(|it| it.pa == page), "no CPU reaches it");
        let spis = partition.interrupts.iter().map(|it| it.intid);
        let emulated = partition.devices.iter().filter_map(|it| it.intid);
        assert!(spis.chain(emulated).all(|it| !messages.spis.contains(it.get())));
    }
    let its = plan.its.as_ref().unwrap();
    let sources: Vec<_> = its.sources.iter().map(|it| (it.device, it.partition)).collect();
    assert_eq!((sources, &its.cpus[..]), (vec![(0x100, 0), (0x108, 1)], &[0, 1][..]));
    assert_eq!((its.memory.size(), its.layout.event_bits), (its.layout.size, 7));
    assert!(its.memory.start().is_aligned(0x1_0000));
    let lines = report(&machine, &plan);
    let line = std::format!("pcie        two: messages by {ITS}, interrupts 64-71\n");
    assert!(lines.contains(&line), "{lines}");
}

#[test]
fn a_guest_finds_a_frame_in_its_interrupt_controller() {
    let machine = its();
    let plan = plan_on(&machine, &system(two())).unwrap();
    let bytes = Spec::new("").tree();
    let tree = Tree::new(&bytes).unwrap();
    let guest = guest_tree::build(&plan.partitions[0], &machine, &tree).unwrap();
    let tree = Tree::new(&guest.bytes).unwrap();
    let node = tree.node("/interrupt-controller@8000000/v2m@3f100000").unwrap();
    assert!(node.is_compatible("arm,gic-v2m-frame") && node.property("msi-controller").is_some());
    assert_eq!(node.regions().unwrap(), [region(MESSAGE_FRAME.get(), 0x1000)]);
    let number = |name| node.property(name).unwrap().u32();
    assert_eq!((number("arm,msi-base-spi"), number("arm,msi-num-spis")), (Some(64), Some(8)));
    let pcie = tree.node("/pcie@3f000000").unwrap();
    assert_eq!(pcie.property("msi-parent").unwrap().u32(), node.phandle());
    // The interrupt controller has addresses of two cells, for which its map has zeros.
    let read = pci::HostBridge::read(pcie).unwrap();
    let function = &plan.partitions[0].pci.as_ref().unwrap().functions[0];
    assert_eq!(read.interrupt(crate::pci::Address::new(0, 0, 0), 1), function.interrupt);
    assert!(function.interrupt.is_some());
}

/// A partition without messages: its functions show no capability for them, and reach no page.
#[track_caller]
fn expect_none(machine: &Machine, partitions: impl IntoIterator<Item = Spec>) {
    let plan = plan_on(machine, &system(partitions)).unwrap();
    assert_eq!(plan.its, None);
    for partition in &plan.partitions {
        assert_eq!(partition.messages, None);
        assert!(!shows_messages(partition));
        let of_messages = |it: &Mapping| it.attributes == Attributes::MESSAGES;
        assert!(!partition.dma_mappings.iter().any(of_messages));
    }
}

#[test]
fn without_an_smmu_or_with_direct_interrupts_there_are_no_messages() {
    let mut machine = its();
    machine.delivers_directly = true;
    machine.free_interrupts = 112..200;
    let direct = two().map(|it| it.with("interrupts", Text(&["direct"])));
    expect_none(&machine, direct);
    expect_none(&machine, two().into_iter().take(1));
    // The same machine, with trapped interrupts.
    assert!(plan_on(&machine, &system(two())).unwrap().its.is_some());
    let mut machine = its();
    for device in machine.devices.iter_mut().filter(|it| it.function.is_some()) {
        device.streams.clear();
    }
    expect_none(&machine, two().map(|it| it.with("dma", Text(&["unprotected"]))));
}

#[test]
fn what_takes_no_messages_is_not_used() {
    let lacking = MessageKind::Its(Err("has no physical LPIs"));
    expect_none(&machine_with_messages(gic_v3(), lacking), two());
    let few = MessageKind::Its(Ok(Features { device_bits: 8, ..Features::ASSUMED }));
    expect_none(&machine_with_messages(gic_v3(), few), two());
    expect_none(&machine_with_messages(gic_v2(), MessageKind::Frame(None)), two());
    let mut machine = its();
    for device in &mut machine.devices {
        if let Some(function) = &mut device.function {
            function.capabilities.clear();
        }
    }
    expect_none(&machine, two());
}

#[test]
fn functions_that_are_one_to_the_its_have_one_owner() {
    let mut machine = its();
    for device in &mut machine.devices {
        if let Some(function) = &mut device.function {
            function.source = Some(MessageSource { controller: 0, id: 7 });
        }
    }
    assert_eq!(
        plan_on(&machine, &system(two())).unwrap_err().to_string(),
        "/partitions/two: devices = \"/pcie@10000000/pci@1,0\" sends messages as 0x7, as \
         /pcie@10000000/pci@0,0 does, which /partitions/one owns: give both to the same partition"
    );
    let both: &[&str] = &["/pcie@10000000/pci@0,0", "/pcie@10000000/pci@1,0"];
    let one = partition("one").with("devices", Text(both));
    let plan = plan_on(&machine, &system([one, partition("two")])).unwrap();
    assert_eq!(plan.its.unwrap().sources.len(), 1);
    assert_eq!(plan.partitions[0].messages.unwrap().spis.count, 16);
}

#[test]
fn a_frame_has_one_owner_and_its_interrupts_are_nobody_elses() {
    let mut machine = frame();
    machine.free_interrupts = 62..288;
    let [one, two] = two();
    let plan = plan_on(&machine, &system([one, two.with("console", Text(&["virtio"]))])).unwrap();
    let [one, two] = &plan.partitions[..] else { panic!() };
    // The SMMU raises 106.
    let (spis, page) = (FrameSpis::new(112, 32).unwrap(), Pa::new(0x802_0000));
    let messages = MessagePlan { controller: 0, spis, page, is_virtual: false };
    let raises = |spi| messages.can_raise(&machine, Intid::new(spi).unwrap());
    assert_eq!([79, 80, 106, 143, 144].map(raises), [false, true, true, true, false]);
    assert_eq!((one.messages, two.messages, &plan.its), (Some(messages), None, &None));
    assert!(shows_messages(one) && !shows_messages(two));
    assert_eq!(one.dma_mappings[0].pa, page);
    assert!(two.dma_mappings.iter().all(|it| it.pa != page));
    let own: Vec<_> = one.interrupts.iter().filter(|it| spis.contains(it.intid.get())).collect();
    assert!(own.len() == 32 && own.iter().all(|it| it.trigger == Trigger::Edge));
    assert!(one.interrupts.is_sorted_by_key(|it| it.intid));
    assert!(two.interrupts.iter().all(|it| !spis.contains(it.intid.get())));
    assert_eq!(two.virtio_console.unwrap().intid.get(), 144, "the first one behind the frame's");
}

/// A function could raise what it has nothing to do with.
#[test]
fn a_frame_with_interrupts_of_devices_is_not_used() {
    let mut machine = frame();
    machine.devices.push(device("/other@b100000", (0xb10_0000, 0x1000), Some(90)));
    expect_none(&machine, two());
    let mut machine = frame();
    machine.console.as_mut().unwrap().interrupt = Intid::new(143);
    expect_none(&machine, two());
}

#[test]
fn messages_leave_bulkheads_own_interrupts_alone() {
    let mut machine = its();
    machine.smmus[0].events.as_mut().unwrap().intid = Intid::new(70).unwrap();
    let plan = plan_on(&machine, &system(two())).unwrap();
    let first = plan.partitions.iter().map(|it| it.messages.unwrap().spis.first.get());
    assert_eq!(first.collect::<Vec<_>>(), [96, 96]);
}
