//! A disk that one Linux serves to another over a network, by Debian's programs for NBD.

use std::time::Duration;

use common::{
    Gic, Machine, MakeMachine, Partition, compile, compile_file, file, on_all_machines, system,
};

on_all_machines!(linux_has_its_root_on_a_disk_of_another_partition,);

/// The description that `dts/nbd.dts` shows: the client reads what the server has, and what it
/// writes itself.
fn linux_has_its_root_on_a_disk_of_another_partition(machine: MakeMachine) {
    let outcome = machine(&compile_file(&file("dts/nbd.dts"))).deadline(240).boot();
    outcome.expect_success().expect_no_line("FAIL");
    let has_sum = "disk root has the sum ";
    let sum = |name| {
        let lines = outcome.of(name).containing(has_sum);
        lines.0.first().and_then(|line| line.split_once(has_sum)).map(|(_, sum)| sum.to_string())
    };
    let (served, read) = (sum("disk"), sum("client"));
    outcome.check(served.is_some() && served == read, &format!("{served:?}, not {read:?}"));
    let parts = outcome.of("client").containing("bulkhead-linux: part ");
    outcome.check(parts.0.len() == 4, &format!("{} parts are as written", parts.0.len()));
    outcome
        .expect_line("client", "disk root of 10.0.0.1 /dev/nbd0 2 MiB, read-only=1")
        .expect_line("client", "disk scratch of 10.0.0.1 /dev/nbd1 32 MiB, read-only=0")
        .expect_line("client", "bulkhead-linux: the root is /dev/nbd0 / squashfs ro")
        .expect_line("client", "bulkhead-linux: read the disk 3 times")
        .expect_line("disk", "bulkhead-linux: the peer is gone");
}

/// An operator restarts the server. The client's reads fail then, as docs/description.md says; it
/// restarts too, and has its root again.
#[test]
fn a_client_whose_server_restarts_has_its_disk_after_a_restart() {
    let linux = |name: &str, words: &str| {
        let words = format!("console=ttyAMA0 quiet bulkhead.links {words}");
        let guest = Partition::linux(name).memory(192 << 20).ramdisk("linux/nbd.cpio.gz");
        guest.bootargs(&words)
    };
    let server =
        "bulkhead.disks bulkhead.address=10.0.0.1/24 bulkhead.serve=root bulkhead.idle=999";
    let client = "bulkhead.address=10.0.0.2/24 bulkhead.connect=10.0.0.1,root bulkhead.root=root \
                  bulkhead.reread=60";
    let root = "disks { root { data = /incbin/(\"linux/root.squashfs\"); read-only; }; };";
    let guests = [linux("disk", server).property(root), linux("client", client)];
    let lan = "    monitor;\n    links { lan { type = \"network\"; \
               partitions = \"disk\", \"client\"; }; };\n";
    let outcome = Machine::new(Gic::V3Trapped)
        .initrd(&compile(&system(lan, &guests)))
        .deadline(240)
        .type_after("the root is /dev/nbd0 / squashfs ro", "\x1d\x1d")
        .type_after("bulkhead> ", "restart disk\r")
        .type_after("client: reset itself", "\x1d0")
        .kill_after("the root is /dev/nbd0 / squashfs ro", Duration::from_secs(3))
        .boot();
    outcome.expect_killed().expect_no_line("FAIL");
    outcome.expect_line("client", "bulkhead-linux: reading fails in round ");
    for (name, text) in [("disk", "serves root"), ("client", "the root is /dev/nbd0 / squashfs ro")]
    {
        let times = outcome.of(name).containing(text).0.len();
        outcome.check(times == 2, &format!("{name} prints {times} times {text}"));
    }
}
