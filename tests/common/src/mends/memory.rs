//! The mends of memory that EL2 opens, of what a life leaves behind in it, and of devices.

use super::Test::{Boot, Library};
use super::{Mend, change};

/// The mends, by the promises that they keep.
pub const MENDS: &[Mend] = &[
    Mend {
        attack: "a CPU keeps a partition's memory open after it has copied a piece",
        changes: &[change(
            "src/el2/mm/window.rs",
            "        entry(self.0).store(0, Ordering::Relaxed);\n",
            "",
        )],
        tests: &[Boot("restart::three_partitions_restart_at_once")],
    },
    Mend {
        attack: "a CPU keeps the memory of a peer open after it has moved a frame",
        changes: &[change(
            "src/el2/mm/window.rs",
            "        peer.store(0, Ordering::Relaxed);\n",
            "        _ = peer;\n",
        )],
        tests: &[Boot("links::both_peers_restart_under_traffic::gicv2")],
    },
    Mend {
        attack: "a window onto a partition's memory shows other memory too",
        changes: &[change(
            "src/boot/audit/mod.rs",
            "    owned::compare(&mapped, &owned::window(window)).map_err(&finding)\n",
            "    _ = owned::window(window);\n    Ok(drop(mapped))\n",
        )],
        tests: &[
            Library("a_page_of_other_memory_in_a_window_is_found"),
            Boot("audit::window_onto_wrong_memory_is_found::gicv2"),
        ],
    },
    Mend {
        attack: "a CPU has a window open when the first guest starts",
        changes: &[change("src/boot/audit/mod.rs", "if a | b | c != 0 {", "if false {")],
        tests: &[Library("open_windows_of_any_cpu_are_found")],
    },
    Mend {
        attack: "EL2 maps the images at their own addresses while guests run",
        changes: &[change(
            "src/el2/boot/build.rs",
            "        mmu::unmap_memory(self.images.regions());\n",
            "        _ = self.images.regions();\n",
        )],
        tests: &[Boot("restart::three_partitions_restart_at_once")],
    },
    Mend {
        attack: "a guest turns a mitigation off for its partition's next life",
        changes: &[change(
            "src/el2/vcpu/mod.rs",
            "firmware::work_around(workaround, 1);",
            "firmware::work_around(workaround, 0);",
        )],
        tests: &[Boot("restart::no_mitigation_stays_off_after_a_restart")],
    },
    Mend {
        attack: "a boot loader maintains its caches by set and way, and its kernel reads old memory",
        changes: &[change(
            "src/el2/vcpu/caches.rs",
            "Step::Clean if self.clean_piece() => Step::after_cleaning(trapped),",
            "Step::Clean => Step::after_cleaning(trapped),",
        )],
        tests: &[Boot("caches::maintenance_by_set_and_way_cleans_the_memory_once::gicv2")],
    },
    Mend {
        attack: "a guest places the memory of its PCI Express function over a neighbour's",
        changes: &[change(
            "src/pci/function.rs",
            "if without != self.command && self.fits() {",
            "if without != self.command {",
        )],
        tests: &[
            Library("stores_at_random_never_decode_an_address_outside_of_the_window"),
            Boot("functions::wild_stores_to_configuration_space_disturb_nobody::gicv3"),
        ],
    },
    Mend {
        attack: "a PCI Express function goes on with what the last life of its partition has begun",
        changes: &[change(
            "src/el2/vcpu/rebuild.rs",
            "while !pci.reset() {",
            "while false && !pci.reset() {",
        )],
        tests: &[
            Boot("functions::a_restart_resets_a_function_or_leaves_it_off::gicv3"),
            Boot("functions::no_disk_writes_into_memory_that_a_restart_has_scrubbed::gicv3"),
        ],
    },
    Mend {
        attack: "a guest sets bits of its PCI Express function's Command that are not its own",
        changes: &[change(
            "src/pci/function.rs",
            "merge(self.command) & COMMAND_BITS;",
            "merge(self.command) & (COMMAND_BITS | 0xffff);",
        )],
        tests: &[Library("stores_at_random_never_decode_an_address_outside_of_the_window")],
    },
    Mend {
        attack: "a PCI Express function takes an ID of a neighbour's, or reaches it past the SMMU",
        changes: &[
            change(
                "src/boot/pci/extended.rs",
                "offered & ACS_SOURCES != 0 && hardware.read(port, register) >> 16 == offered",
                "offered > 0 && register > 0",
            ),
            change(
                "src/boot/plan/functions.rs",
                "if function.is_isolated || partitions[number].dma_unprotected {",
                "if function.is_isolated || number < partitions.len() {",
            ),
        ],
        tests: &[
            Library("ports_check_ids_and_send_accesses_up"),
            Library("functions_that_a_port_does_not_keep_apart_are_refused"),
        ],
    },
    Mend {
        attack: "firmware has left a PCI Express function's ROM where a neighbour's memory is",
        changes: &[change(
            "src/boot/pci/capabilities.rs",
            "hardware.write(function, ROM, 0);",
            "_ = ROM;",
        )],
        tests: &[Library("addresses_that_firmware_has_assigned_are_taken_away")],
    },
    Mend {
        attack: "a PCI Express function has a list of capabilities without an end",
        changes: &[change(
            "src/boot/pci/capabilities.rs",
            "found.iter().any(|it| it.offset == offset)",
            "found.len() > 1000",
        )],
        tests: &[Library("lists_of_capabilities_end")],
    },
    Mend {
        attack: "a device writes on into its partition's memory when the partition has stopped",
        changes: &[change(
            "src/el2/partition/lifecycle.rs",
            "            _ = streams.set(StreamState::Closed);\n",
            "            _ = (streams, StreamState::Closed);\n",
        )],
        tests: &[Boot("dma::streams_abort_once_their_partition_has_stopped::gicv3")],
    },
    Mend {
        attack: "a device floods Bulkhead with accesses that its SMMU refuses and records",
        changes: &[change(
            "src/el2/dma/smmu.rs",
            "                None => self.mute(stream),\n",
            "                None => {}\n",
        )],
        tests: &[Boot("dma::devices_reach_their_own_partition_and_nothing_else::gicv3")],
    },
    Mend {
        attack: "a device reaches the registers of its partition's devices, or its neighbour's",
        changes: &[change(
            "src/boot/plan/dma.rs",
            "it.attributes != Attributes::GUEST_DEVICE;",
            "it.size > 0 || it.attributes != Attributes::GUEST_DEVICE;",
        )],
        tests: &[
            Library("masters_behind_an_smmu_reach_the_memory_and_disks_of_their_partition"),
            Boot("dma::streams_abort_once_their_partition_has_stopped::gicv3"),
        ],
    },
    Mend {
        attack: "a device's stream is in bypass, or open before its partition runs",
        changes: &[change("src/boot/audit/dma.rs", "if state != CLOSED {", "if false {")],
        tests: &[Library("a_stream_that_is_open_before_its_partition_runs_is_found")],
    },
];
