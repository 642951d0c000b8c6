//! Partitions from the domains of a tree for Xen's dom0less boot.

use super::*;
use crate::boot::description::read_domains;
use crate::boot::fdt::Node;
use crate::boot::steps;

/// A module of this kind.
fn module(name: &'static str, kind: &'static [&'static str], reg: &'static [u32]) -> Spec {
    Spec::new(name).with("compatible", Text(kind)).with("reg", Cells(reg))
}

fn kernel() -> Spec {
    let kind = &["multiboot,kernel", "multiboot,module"];
    module("module@50000000", kind, &[0, 0x5000_0000, 0x1000])
        .with("bootargs", Text(&["console=ttyAMA0"]))
}

fn domain(name: &'static str) -> Spec {
    Spec::new(name)
        .with("compatible", Text(&["xen,domain"]))
        .with("#address-cells", Cells(&[2]))
        .with("#size-cells", Cells(&[1]))
        .with("cpus", Cells(&[2]))
        .with("memory", Cells(&[0, 0x4000]))
        .with("vpl011", Nothing)
        .child(kernel())
}

/// A machine's tree with these nodes below `/chosen`, which has other things, too.
fn chosen(children: impl IntoIterator<Item = Spec>) -> Spec {
    let mut chosen = Spec::new("chosen")
        .with("xen,xen-bootargs", Text(&["console=dtuart"]))
        .child(Spec::new("framebuffer"));
    chosen.children.extend(children);
    Spec::new("").child(chosen)
}

/// Returns what is planned for a machine's tree; the module at 0x58000000 has these bytes.
fn plan_xen(machine_tree: &Spec, fragment: &[u8]) -> Result<Plan, PlanError> {
    let bytes = machine_tree.tree();
    let tree = Tree::new(&bytes)?;
    let machine = machine(gic_v3());
    let image = arm64_header(0, 0x2000, 0);
    let peek = |region: Region<Pa>| {
        let is_memory = machine.memory.iter().any(|bank| bank.covers(&region));
        let is_fragment = region.start() == Pa::new(0x5800_0000);
        is_memory.then_some(if is_fragment { fragment } else { &*image })
    };
    let system = steps::firmware_description(&tree).expect("there is a domain");
    let description = read_domains(system, &peek)?;
    Plan::new(&machine, Mpidr::new(0), &description)
}

fn fault(domain: Spec) -> String {
    let error = plan_xen(&chosen([domain]), &[]).unwrap_err().to_string();
    error.strip_prefix("/chosen/domU1").expect("it names the domain").to_string()
}

#[test]
fn domains_are_partitions() {
    let kind = &["multiboot,ramdisk", "multiboot,module"];
    let ramdisk = module("module@51000000", kind, &[0, 0x5100_0000, 0x2000]);
    let tree = chosen([domain("domU1").child(ramdisk), domain("domU2").with("cpus", Cells(&[1]))]);
    let plan = plan_xen(&tree, &[]).unwrap();
    let [one, two] = &plan.partitions[..] else { panic!() };
    assert_eq!((&*one.name, &*two.name), ("domU1", "domU2"));
    assert_eq!((one.cpus.len(), two.cpus.len()), (2, 1));
    assert_eq!((one.memory.host.size(), one.bootargs.as_str()), (16 * MIB, "console=ttyAMA0"));
    assert_eq!(one.kernel.source, region(0x5000_0000, 0x1000));
    assert_eq!(one.ramdisk.as_ref().unwrap().source, region(0x5100_0000, 0x2000));
    assert!(two.ramdisk.is_none());
    // Modules are not given away.
    assert!(plan.partitions.iter().all(|it| !it.memory.host.overlaps(&one.kernel.source)));
}

#[test]
fn static_memory_is_at_its_physical_address_and_direct_memory_at_the_same_guest_address() {
    let fixed = |name| {
        domain(name)
            .with("#xen,static-mem-address-cells", Cells(&[1]))
            .with("#xen,static-mem-size-cells", Cells(&[1]))
    };
    let one = fixed("domU1").with("xen,static-mem", Cells(&[0x6000_0000, 0x100_0000]));
    let two = fixed("domU2").with("xen,static-mem", Cells(&[0x7000_0000, 0x100_0000]));
    let plan = plan_xen(&chosen([one, two.with("direct-map", Nothing)]), &[]).unwrap();
    let starts = plan.partitions.iter().map(|it| (it.memory.host.start(), it.memory.guest.start()));
    let expected = [(0x6000_0000, 0x4000_0000), (0x7000_0000, 0x7000_0000)];
    assert!(starts.eq(expected.map(|(host, guest)| (Pa::new(host), Ipa::new(guest)))));
}

/// A partial tree that assigns the real-time clock, at this guest address.
fn fragment(guest: &'static [u32]) -> Vec<u8> {
    let clock =
        Spec::new("rtc").with("xen,path", Text(&["/pl031@9010000"])).with("xen,reg", Cells(guest));
    let bus = Spec::new("passthrough").child(Spec::new("bus").child(clock));
    Spec::new("").child(bus).tree()
}

fn with_fragment() -> Spec {
    let kind = &["multiboot,device-tree", "multiboot,module"];
    domain("domU1").child(module("module@58000000", kind, &[0, 0x5800_0000, 0x1000]))
}

#[test]
fn devices_of_partial_trees_are_passed_through() {
    let same = fragment(&[0, 0x901_0000, 0, 0x1000, 0, 0x901_0000]);
    let plan = plan_xen(&chosen([with_fragment()]), &same).unwrap();
    let devices = plan.partitions[0].passthrough.iter().map(|it| it.path.as_str());
    assert!(devices.eq(["/pl031@9010000"]));
    let other = fragment(&[0, 0x901_0000, 0, 0x1000, 0, 0x1000_0000]);
    assert_eq!(
        plan_xen(&chosen([with_fragment()]), &other).unwrap_err().to_string(),
        "/chosen/domU1/module@58000000: /passthrough/bus/rtc: xen,reg has <0x0 0x9010000> at the \
         guest address <0x0 0x10000000>: devices are at their physical addresses for guests, too"
    );
    let fault = |bytes: &[u8]| plan_xen(&chosen([with_fragment()]), bytes).unwrap_err().to_string();
    assert_eq!(
        fault(&fragment(&[0, 1])),
        "/chosen/domU1/module@58000000: /passthrough/bus/rtc: xen,reg (8 bytes) is not regions of \
         an address, a size and a guest address in two cells each"
    );
    assert_eq!(
        fault(&Spec::new("").tree()),
        "/chosen/domU1/module@58000000: the device tree has no node /passthrough"
    );
    assert_eq!(
        fault(&[0; 64]),
        "/chosen/domU1/module@58000000: the device tree is not a device tree: it starts with \
         0x00000000, not with 0xd00dfeed"
    );
}

#[test]
fn what_is_wrong_or_has_no_counterpart_is_refused_by_name() {
    let domain = || domain("domU1");
    let module = |kind| module("module@5a000000", kind, &[0, 0x5a00_0000, 0x1000]);
    let fixed = |memory| domain().with("xen,static-mem", Cells(memory));
    let cells = |spec: Spec, size| {
        spec.with("#xen,static-mem-address-cells", Cells(&[1]))
            .with("#xen,static-mem-size-cells", Cells(size))
    };
    for (domain, sentence) in [
        (domain().with("sve", Cells(&[1])), ": sve has no counterpart: leave it out"),
        (domain().without("cpus"), ": cpus is missing: give how many, as in <1>"),
        (domain().with("cpus", Cells(&[0])), ": cpus = <0> is empty: give at least one"),
        (
            domain().without("memory"),
            ": memory is missing: give the KiB in two cells, as in <0x0 0x20000>",
        ),
        (
            domain().with("memory", Cells(&[0, 3])),
            ": memory = <0x0 0x3> is not a multiple of 4 from 4 on, in KiB",
        ),
        (
            domain().with("memory", Cells(&[u32::MAX, 0])),
            ": memory = <0xffffffff 0x0> is not a multiple of 4 from 4 on, in KiB",
        ),
        (
            domain().with("direct-map", Nothing),
            ": direct-map is present, but not xen,static-mem: give both",
        ),
        (
            fixed(&[1, 2]),
            ": xen,static-mem (8 bytes) is not regions with as many cells as \
             #xen,static-mem-address-cells and -size-cells",
        ),
        (
            cells(fixed(&[0x6000_0000, 0x1000]), &[1]),
            ": xen,static-mem = 0x60000000-0x60000fff is not a region of whole pages that is as \
             large as memory",
        ),
        (
            cells(fixed(&[0x6000_0000, 0x1000, 0x6100_0000, 0x1000]), &[1]),
            ": xen,static-mem has 2 regions: give one, of all memory",
        ),
        (
            domain().without("module@50000000"),
            " has no module that is compatible with \"multiboot,kernel\"",
        ),
        (
            domain().child(module(&["xen,vcpu"])),
            "/module@5a000000 is compatible with \"xen,vcpu\", which has no counterpart: leave it \
             out",
        ),
        (
            domain().child(module(&["multiboot,kernel", "multiboot,module"])),
            "/module@5a000000 is the second module that is compatible with \"multiboot,kernel\"",
        ),
        (
            domain().child(kernel().without("reg")),
            "/module@50000000: reg is missing: give the address and the size of its bytes",
        ),
        (
            domain().child(kernel().with("reg", Cells(&[0, 1]))),
            "/module@50000000: reg (8 bytes) is not an address of 2 cells and a size of 1",
        ),
        (
            domain().child(kernel().with("reg", Cells(&[0, 0x1000, 0x1000]))),
            "/module@50000000: reg = <0x0 0x1000 0x1000> is not the start of 4 KiB of memory",
        ),
        (
            domain().child(kernel().with("xen,uefi-binary", Text(&["vmlinuz"]))),
            "/module@50000000: xen,uefi-binary has no counterpart: leave it out",
        ),
    ] {
        assert_eq!(fault(domain), sentence);
    }
    let dom0 = chosen([domain(), kernel()]);
    assert_eq!(
        plan_xen(&dom0, &[]).unwrap_err().to_string(),
        "/chosen/module@50000000 is a module of dom0, which does not exist: give it to a domain"
    );
}

#[test]
fn the_own_format_comes_first_and_other_trees_have_no_description() {
    let path = |tree: Spec| {
        let bytes = tree.tree();
        let tree = Tree::new(&bytes).unwrap();
        steps::firmware_description(&tree).map(Node::path)
    };
    assert_eq!(path(chosen([])), None);
    assert_eq!(path(chosen([domain("domU1")])).as_deref(), Some("/chosen"));
    let both = chosen([domain("domU1"), Spec::new("bulkhead")]);
    assert_eq!(path(both).as_deref(), Some("/chosen/bulkhead"));
}
