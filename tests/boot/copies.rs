//! Copies of a partition, and an image that has a name.

use common::{MakeMachine, compile, file, on_all_machines};
use std::fs;

on_all_machines!(copies_of_one_node_run_with_one_image);

/// Three copies and a fourth partition have the only copy of the kernel in the description. Each
/// copy restarts by itself, from that image.
fn copies_of_one_node_run_with_one_image(machine: MakeMachine) {
    let text = r#"/dts-v1/;
/ {
    compatible = "bulkhead,system";
    images {
        hello { data = /incbin/("guests/hello.img"); };
    };
    partitions {
        web {
            copies = <3>;
            cpus = <1>;
            memory = <0x0 0x1000000>;
            kernel { image = "hello"; };
        };
        other {
            cpus = <1>;
            memory = <0x0 0x1000000>;
            kernel { image = "hello"; };
        };
    };
};
"#;
    let description = compile(text);
    let size = |path| fs::metadata(path).expect("it is there").len();
    let kernel = size(file("target/guests/hello.img"));
    let outcome = machine(&description).boot();
    outcome.check(size(description) < kernel + 0x1000, "the description has one kernel");
    outcome.expect_success();
    for name in ["web0", "web1", "web2", "other"] {
        outcome.expect_line(name, &format!("partition   {name}"));
        outcome.expect_line(name, "hello: done, ticks=10");
        outcome.expect_line("bulkhead", &format!("{name}: powered off after"));
    }
    outcome.expect_line("bulkhead", "web0..web2       0-2   16 MiB    0x40000000");
    outcome.check(
        outcome.of("bulkhead").containing("-, 3 copies").0.len() == 1,
        "the report has one line for the copies",
    );
}
