//! Links between partitions.

use std::fs;

use crate::monitor::{OPEN, PROMPT, rows};
use common::{
    Gic, Machine, MakeMachine, Outcome, Partition, SUCCESS, compile, compile_file, file,
    in_all_modes, on_all_machines, system,
};

in_all_modes!(
    a_peer_restarts_under_traffic,
    both_peers_restart_under_traffic,
    a_hostile_driver_harms_nobody,
);

on_all_machines!(
    two_kernels_talk_by_stock_drivers,
    two_kernels_and_a_bare_metal_guest_on_one_network,
);

/// The links of two partitions, `one` and `two`.
const LINKS: &str = "    links {
        lan { type = \"network\"; partitions = \"one\", \"two\"; };
        serial { type = \"console\"; partitions = \"one\", \"two\"; };
        rpc { type = \"vsock\"; partitions = \"one\", \"two\"; };
    };\n";

/// Returns Linux with the drivers of links, whose network has the address 10.0.0.`host`.
fn linux(name: &str, host: usize, words: &str) -> Partition {
    let network = format!("bulkhead.links bulkhead.address=10.0.0.{host}/24");
    Partition::linux(name)
        .ramdisk("linux/links.cpio.gz")
        .memory(192 << 20)
        .bootargs(&format!("console=ttyAMA0 quiet {network} {words}"))
}

/// Returns the same partition with the kernel of the backports, and its drivers.
fn newer(linux: Partition) -> Partition {
    linux.kernel("linux/backport/Image").ramdisk("linux/backport/links.cpio.gz")
}

/// Returns what follows `text` in a line of a partition.
#[track_caller]
fn value<'a>(outcome: &'a Outcome, name: &str, text: &str) -> &'a str {
    let lines = outcome.of(name).containing(text);
    let value = lines.0.first().and_then(|line| line.split_once(text));
    value.map_or_else(|| outcome.fail(&format!("{name} has no line with {text}")), |it| it.1.trim())
}

/// Ping, files by TCP in both directions at once, lines on a console, and streams by vsock, between
/// the kernel of Debian's release and a newer one.
fn two_kernels_talk_by_stock_drivers(machine: MakeMachine) {
    let words = |peer, cid, texts| {
        format!("bulkhead.exchange=10.0.0.{peer},64 bulkhead.serial={texts} bulkhead.vsock={cid},8")
    };
    let one = linux("one", 1, &words(2, 4, "from-one,from-two"));
    let two = newer(linux("two", 2, &words(1, 3, "from-two,from-one")));
    let description = compile(&system(LINKS, &[one, two]));
    let outcome = machine(&description).memory("2G").deadline(240).boot();
    for (name, package) in [("one", "trees/kernel"), ("two", "backport/kernel")] {
        let package = fs::read_to_string(file(&format!("target/linux/{package}")));
        let package = package.expect("the file is readable");
        let release = value(&outcome, name, "bulkhead-linux: links of Linux ");
        let is_it = package.trim() == format!("linux-image-{release}");
        outcome.check(is_it, &format!("{name} is Linux {release}, not {package}"));
    }
    expect_all_data(&outcome);
}

/// Expects that each of two kernels has received what the other one has sent.
#[track_caller]
pub fn expect_all_data(outcome: &Outcome) {
    outcome.expect_success().expect_no_line("FAIL");
    for (name, peer) in [("one", "two"), ("two", "one")] {
        outcome.expect_line(name, "bulkhead-linux: link lan virtio0 virtio_net");
        outcome.expect_line(name, "bulkhead-linux: link serial virtio1 virtio_console");
        outcome.expect_line(name, "bulkhead-linux: link rpc virtio2 vmw_vsock_virtio_transport");
        outcome.expect_line(name, "ping 3 packets transmitted, 3 packets received");
        outcome.expect_line(name, &format!("serial: from-{peer}"));
        for (sends, receives) in [
            ("sum of what is sent ", "sum of what is received "),
            ("vsock sends ", "vsock receives "),
        ] {
            let sent = value(outcome, peer, sends);
            let received = value(outcome, name, receives);
            outcome.check(sent == received, &format!("{name} receives {received}, not {sent}"));
        }
    }
}

/// A driver of a console waits for each line that it writes, with interrupts masked. The peer's
/// driver works, and has buffers for 256 lines.
#[test]
fn a_console_that_nobody_reads_holds_nobody_up() {
    let serial = "    monitor;
    links { serial { type = \"console\"; partitions = \"one\", \"two\"; }; };\n";
    let guest = |name, words| {
        Partition::linux(name)
            .ramdisk("linux/links.cpio.gz")
            .memory(192 << 20)
            .bootargs(&format!("console=ttyAMA0 quiet bulkhead.links {words}"))
    };
    let guests =
        [guest("one", "bulkhead.idle=2 bulkhead.talk=1000"), guest("two", "bulkhead.idle=1000")];
    let description = compile(&system(serial, &guests));
    let outcome = Machine::new(Gic::V3)
        .initrd(&description)
        .type_after("[one]      bulkhead-linux: has written 1000 lines", OPEN)
        .type_after(PROMPT, "links\r")
        .type_after("drops", "poweroff\r")
        .deadline(120)
        .boot();
    outcome.expect_status(SUCCESS);
    let rows = rows(&outcome, &["serial", "console"]);
    let is_right = match &rows[..] {
        [one, two] => {
            let [sent, drops] = [one[4], two[6]].map(|it| it.parse::<u64>().unwrap_or(0));
            let states = [one, two].map(|row| (row[2], row[3]));
            states == [("one", "up"), ("two", "up")]
                && sent >= 1000
                && (700..=sent).contains(&drops)
        }
        _ => false,
    };
    outcome.check(is_right, &format!("the ends are {rows:?}"));
}

/// A connection whose peer restarts ends at once, although neither side sends anything; then a new
/// one works. Only the event of the device tells the driver: a stream without packets is silent.
#[test]
fn a_socket_ends_when_its_peer_restarts() {
    const ECONNRESET: u32 = 104;
    let one = linux("one", 1, "bulkhead.outlive=4");
    let two = linux("two", 2, "bulkhead.obey").property("max-restarts = <1>;");
    let description = compile(&system(LINKS, &[one, two]));
    let outcome = Machine::new(Gic::V3Direct).initrd(&description).deadline(120).boot();
    outcome.expect_success();
    let end = &format!("vsock connection ends with error {ECONNRESET}");
    outcome.expect_line("two", "vsock says: reboot").expect_line("one", end);
    outcome.expect_line("two", "vsock says: back again");
    let lines = outcome.lines().0;
    let last = |name: &str, text: &str| {
        lines.iter().rposition(|line| line.starts_with(name) && line.contains(text))
    };
    let is_at_once = last("[one]", end) < last("[two]", "bulkhead-linux: links of Linux");
    outcome.check(is_at_once, "the connection ends when the peer is back");
}

/// Returns a bare-metal guest that sends and checks frames.
fn messenger(name: &str, bootargs: &str, restarts: u32) -> Partition {
    let most = format!("max-restarts = <{restarts}>;");
    Partition::new(name, "messenger").memory(2 << 20).bootargs(bootargs).property(&most)
}

/// The network of the partitions `a` and `b`.
const LAN: &str = "    links { lan { type = \"network\"; partitions = \"a\", \"b\"; }; };\n";

/// Returns the numbers in the last line of a guest that contains a text.
#[track_caller]
fn numbers(outcome: &Outcome, name: &str, text: &str) -> Vec<u64> {
    let lines = outcome.of(name).containing(text);
    let Some(line) = lines.0.last() else {
        outcome.fail(&format!("{name} has no line with {text}"))
    };
    line.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse().ok()).collect()
}

/// One side restarts 200 times while both send as fast as they can; the other one loses packets,
/// and nothing else.
fn a_peer_restarts_under_traffic(gic: Gic) {
    let guests = [messenger("a", "storm=40", 200), messenger("b", "storm=1 last", 0)];
    let description = compile(&system(LAN, &guests));
    let outcome = Machine::new(gic).initrd(&description).deadline(180).boot();
    outcome.expect_success().expect_no_line("FAIL");
    outcome.expect_line("bulkhead", "it stays stopped, restarted 200 times already");
    let all = numbers(&outcome, "b", "lives");
    let [.., sent, received, lives] = all[..] else { outcome.fail("the line has other numbers") };
    // A life whose frames were all lost while the peer's ring was full is not seen.
    let is_plausible = lives > 150 && received > 150 * 20 && sent > received;
    outcome.check(is_plausible, &format!("sent {sent}, received {received} of {lives} lives"));
}

/// Both sides restart, 100 times each.
fn both_peers_restart_under_traffic(gic: Gic) {
    let guests = [messenger("a", "storm=40", 100), messenger("b", "storm=60", 100)];
    let description = compile(&system(LAN, &guests));
    let outcome = Machine::new(gic).initrd(&description).deadline(180).boot();
    outcome.expect_success().expect_no_line("FAIL");
    for name in ["a", "b"] {
        outcome.expect_line("bulkhead", &format!("{name}: reset itself"));
        let received = outcome.of(name).containing("resets itself");
        let some = received.0.iter().filter(|line| !line.contains("received 0,")).count();
        outcome.check(some > 10, &format!("{name} receives in {some} lives"));
    }
}

/// The links of two networks, a console and sockets, of which a hostile driver has an end each.
const ATTACKED: &str = "    links {
        lan { type = \"network\"; partitions = \"a\", \"b\", \"attacker\"; };
        pair { type = \"network\"; partitions = \"a\", \"attacker\"; };
        serial { type = \"console\"; partitions = \"a\", \"attacker\"; };
        rpc { type = \"vsock\"; partitions = \"a\", \"attacker\"; };
    };\n";

/// The peers of a hostile driver, one CPU of which changes rings while they are read, go on, and so
/// does a guest without links.
fn a_hostile_driver_harms_nobody(gic: Gic) {
    let attacker = Partition::new("attacker", "attacker").cpus(2);
    let guests = [
        attacker.bootargs("only=links rounds=1000 seed=1"),
        messenger("a", "storm=2000 ignore", 0),
        messenger("b", "storm=1 last ignore", 0),
        Partition::new("third", "hello"),
    ];
    let description = compile(&system(ATTACKED, &guests));
    let outcome = Machine::new(gic).cpus(5).initrd(&description).deadline(180).boot();
    outcome.expect_success().expect_no_line("FAIL");
    outcome.expect_line("third", "hello: done, ticks=10");
    let attacks = numbers(&outcome, "attacker", "rounds on links");
    outcome.check(attacks[1] > 500, &format!("only {} devices needed a reset", attacks[1]));
    let kinds = ["a chain is longer", "an indirect table", "the wrong direction"];
    for kind in kinds {
        let has = !outcome.of("bulkhead").containing("attacker: link").containing(kind).is_empty();
        outcome.check(has, &format!("nothing says that {kind}"));
    }
    for name in ["a", "b"] {
        let harmed = outcome.of("bulkhead").containing(&format!("{name}: link"));
        outcome.check(harmed.is_empty(), &format!("{name} needs a reset too"));
    }
    let all = numbers(&outcome, "b", "lives");
    let [.., received, _] = all[..] else { outcome.fail("the line has other numbers") };
    outcome.check(received > 20, &format!("b receives only {received} frames"));
}

/// A driver that starts with a wrong ring gets a line that says what is wrong, each time.
#[test]
fn rings_that_are_wrong_at_a_drivers_start_are_reported() {
    let links = LAN.replace("\"a\", \"b\"", "\"attacker\", \"peer\"");
    let guests = [
        Partition::new("attacker", "attacker").bootargs("only=rings"),
        Partition::new("peer", "hello"),
    ];
    let outcome = Machine::new(Gic::V3Trapped).initrd(&compile(&system(&links, &guests))).boot();
    outcome.expect_success();
    outcome.expect_line("attacker", "attacker: 6 devices with wrong rings needed a reset");
    let lines = outcome.of("bulkhead").containing("attacker: link lan needs a reset: ");
    for (reason, count) in [
        ("a queue's size or alignment is wrong", 3),
        ("a ring or a buffer is outside its memory", 3),
    ] {
        let found = lines.containing(reason).0.len();
        outcome.check(found == count, &format!("{found} lines say that {reason}"));
    }
    outcome.check(lines.0.len() == 6, "there are other lines about the link");
}

/// The description that README.md shows.
fn two_kernels_and_a_bare_metal_guest_on_one_network(machine: MakeMachine) {
    let outcome = machine(&compile_file(&file("dts/network.dts"))).deadline(240).boot();
    outcome.expect_success().expect_no_line("FAIL");
    for host in ["10.0.0.1", "10.0.0.3"] {
        outcome.expect_line("client", &format!("--- {host} ping statistics ---"));
    }
    let pings = outcome.of("client").containing("3 packets received, 0% packet loss");
    outcome.check(pings.0.len() == 2, &format!("{} pings have no loss", pings.0.len()));
    outcome
        .expect_line("client", "http://10.0.0.1/: A page of the partition server.")
        .expect_line("server", "bulkhead-linux: a peer has seen the page")
        .expect_line("control", "messenger: answered 5 packets");
}
