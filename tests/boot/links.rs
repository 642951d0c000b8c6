//! Links between partitions.

use common::{Gic, Machine, Outcome, Partition, compile, in_all_modes, system};

in_all_modes!(two_kernels_talk_by_stock_drivers);

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

/// Returns what follows `text` in a line of a partition.
#[track_caller]
fn value<'a>(outcome: &'a Outcome, name: &str, text: &str) -> &'a str {
    let lines = outcome.of(name).containing(text);
    let value = lines.0.first().and_then(|line| line.split_once(text));
    value.map_or_else(|| outcome.fail(&format!("{name} has no line with {text}")), |it| it.1.trim())
}

/// Ping, files by TCP in both directions at once, lines on a console, and streams by vsock.
fn two_kernels_talk_by_stock_drivers(gic: Gic) {
    let words = |peer, cid, texts| {
        format!("bulkhead.exchange=10.0.0.{peer},64 bulkhead.serial={texts} bulkhead.vsock={cid},8")
    };
    let one = linux("one", 1, &words(2, 4, "from-one,from-two"));
    let two = linux("two", 2, &words(1, 3, "from-two,from-one"));
    let description = compile(&system(LINKS, &[one, two]));
    let outcome = Machine::new(gic).memory("2G").initrd(&description).deadline(120).boot();
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
