//! Copies of a partition, and images by name.

use super::*;

/// A partition whose kernel is the image `hello` by name.
fn by_name(name: &'static str) -> Spec {
    partition(name).child(Spec::new("kernel").with("image", Text(&["hello"])))
}

/// Adds the node `images` with these.
fn with_images(system: Spec, images: Vec<Spec>) -> Spec {
    system.child(Spec { children: images, ..Spec::new("images") })
}

#[test]
fn copies_differ_in_their_names_cpus_and_memory_alone() {
    let web = by_name("web").with("copies", Cells(&[3])).with("bootargs", Text(&["quiet"]));
    let system = system([web, partition("other")]);
    let plan = plan(&with_images(system, vec![image("hello", &[0; 0x1000])]));
    let names: Vec<_> = plan.partitions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["web0", "web1", "web2", "other"]);
    let [first, second, third, other] = &plan.partitions[..] else { panic!() };
    let cpus = [first, second, third, other].map(|it| it.cpus[0]);
    assert_eq!(cpus, [0, 1, 2, 3]);
    for (copy, vmid) in [(second, 2), (third, 3)] {
        assert_eq!(copy.vmid, vmid);
        assert!(!copy.memory.host.overlaps(&first.memory.host));
        let same = PartitionPlan {
            name: first.name.clone(),
            vmid: 1,
            cpus: first.cpus.clone(),
            memory: GuestMemory { host: first.memory.host, ..copy.memory },
            mappings: first.mappings.clone(),
            ..copy.clone()
        };
        assert_eq!(same, *first);
    }
}

#[test]
fn an_image_with_a_name_serves_kernels_ramdisks_and_disks() {
    let linux =
        by_name("linux").child(Spec::new("ramdisk").with("image", Text(&["files"]))).child(Spec {
            children: vec![
                Spec::new("root").with("image", Text(&["files"])).with("read-only", Nothing),
            ],
            ..Spec::new("disks")
        });
    let images = vec![image("hello", &[7; 0x3000]), image("files", &[8; 0x2001])];
    let plan = plan(&with_images(system([linux, by_name("two")]), images));
    let [linux, two] = &plan.partitions[..] else { panic!() };
    let files = linux.ramdisk.as_ref().unwrap().source;
    assert_eq!((linux.kernel.source.size(), files.size()), (0x3000, 0x2001));
    assert_eq!(linux.disks[0].source, Some(files));
    assert!(linux.disks[0].is_read_only);
    assert_eq!(two.kernel.source, linux.kernel.source);
    assert!(plan.partitions.iter().all(|it| !it.memory.host.overlaps(&linux.kernel.source)));
}

/// An image in memory that is not the description's is mapped once, however many have it.
#[test]
fn an_image_by_address_and_name_is_listed_once() {
    let reg = Spec::new("hello").with("reg", Cells(&[0, 0x6000_0000, 0, 0x2000]));
    let web = by_name("web").with("copies", Cells(&[3]));
    let plan = plan(&with_images(system([web, by_name("other")]), vec![reg]));
    assert!(plan.partitions.iter().all(|it| it.kernel.source == region(0x6000_0000, 0x2000)));
    let listed = plan.images.iter().filter(|it| **it == region(0x6000_0000, 0x2000));
    assert_eq!(listed.count(), 1);
}

#[test]
fn each_copy_has_a_disk_of_its_own() {
    let root = image("root", &[1]).with("read-only", Nothing);
    let disks = Spec { children: vec![root], ..Spec::new("disks") };
    let plan = plan(&system([partition("web").with("copies", Cells(&[2])).child(disks)]));
    let [one, two] = &plan.partitions[..] else { panic!() };
    assert!(!one.disks[0].host.overlaps(&two.disks[0].host));
    assert_eq!(two.disks[0].same_as, None);
}

#[test]
fn links_name_copies_by_their_numbers() {
    let lan = Spec::new("lan").with("type", Text(&["network"]));
    let lan = lan.with("partitions", Text(&["web1", "web0"]));
    let links = Spec { children: vec![lan], ..Spec::new("links") };
    let mut machine = machine(gic_v2());
    machine.free_interrupts = 100..102;
    let system = system([partition("web").with("copies", Cells(&[2]))]).child(links);
    assert_eq!(plan_on(&machine, &system).unwrap().links[0].partitions, [1, 0]);
}

/// The heap of Bulkhead's image has room for the state of a few partitions; many have more memory.
#[test]
fn the_state_of_many_partitions_has_memory_of_its_own() {
    let mut machine = machine(gic_v3());
    let cpu = |number| MachineCpu { mpidr: Mpidr::new(number), ..machine.cpus[0].clone() };
    machine.cpus = (0..64).map(cpu).collect();
    let heap = |machine: &Machine, partition: Spec| {
        let plan = plan_on(machine, &system([partition])).unwrap();
        let others = plan.partitions.iter().map(|it| it.memory.host);
        let mut others = others.chain([plan.table_memory]);
        assert!(!others.any(|it| it.overlaps(&plan.heap)));
        plan.heap
    };
    let web = |count| partition("web").with("copies", Cells(count));
    assert!(heap(&machine, web(&[32])).is_empty());
    let large = heap(&machine, web(&[64]));
    assert!(large.size() == 2 * MIB && large.is_aligned(2 * MIB));
    // 64 times 2 MiB, and less than 2 MiB behind the description.
    machine.memory = vec![region(0x4000_0000, 132 * MIB)];
    let web = web(&[64]).with("memory", Cells(&[0, 0x20_0000]));
    assert_eq!(
        plan_on(&machine, &system([web])).unwrap_err().to_string(),
        "/partitions leaves no memory for the state of the partitions: 2 MiB are needed"
    );
}
