//! The mends, but for those of memory and devices.

use super::Test::{Boot, Library, Loom};
use super::{Mend, change};

const PIECES: &str = "src/el2/console/pieces.rs";
const PARTITION: &str = "src/el2/partition/mod.rs";
const ARRIVALS: &str = "src/vgic/arrivals.rs";
const DELIVERY: &str = "src/vgic/delivery.rs";
const NOT_TWICE: &str =
    "an_interrupt_that_arrives_while_it_is_in_a_list_register_is_not_injected_again";
const REGISTERS: &str = "src/arch/system_registers/table.rs";

/// The mends, by the promises that they keep.
pub const MENDS: &[Mend] = &[
    Mend {
        attack: "a flood holds the console's lock for long, and a neighbour waits for it",
        changes: &[
            change(
                PIECES,
                "let Some(mut shared) = CONSOLE.shared.attempt() else { return false };",
                "let mut shared = CONSOLE.shared.lock();",
            ),
            change(PIECES, "OWN_PIECE_BUDGET: usize = 120;", "OWN_PIECE_BUDGET: usize = 900_000;"),
        ],
        tests: &[Boot("stays::no_stay_is_longer_than_its_goal::gicv2")],
    },
    Mend {
        attack: "a CPU that does not wait takes a lock again and again for which another one waits",
        changes: &[change(
            "src/util/fair_lock.rs",
            "self.waiting.load(Ordering::Relaxed) == 0 && self.take_if_free()",
            "self.take_if_free()",
        )],
        tests: &[Library("a_lock_is_not_taken_while_it_is_held_or_a_cpu_waits")],
    },
    Mend {
        attack: "a CPU releases a lock before its changes are visible",
        changes: &[change(
            "src/util/fair_lock.rs",
            "self.is_held.store(false, Ordering::Release);",
            "self.is_held.store(false, Ordering::Relaxed);",
        )],
        tests: &[Loom("loom_what_a_lock_guards_is_changed_by_one_cpu_at_a_time")],
    },
    Mend {
        attack: "work for the holder of the console's lock is marked after it has looked",
        changes: &[change(
            "src/util/work_mark.rs",
            "        !self.marked.load(Ordering::Relaxed)\n",
            "        true\n",
        )],
        tests: &[
            Loom("loom_no_work_is_left_when_no_cpu_attends_to_it"),
            Library("work_that_comes_during_an_attempt_is_attempted_by_the_next_call"),
        ],
    },
    Mend {
        attack: "a CPU sends an own line that another one has not completed",
        changes: &[change(
            "src/operator/console/own_lines.rs",
            "place.len.store(line.len, Ordering::Relaxed);",
            "place.turn.store(turn.wrapping_add(1), Ordering::Release);\n\
             place.len.store(line.len, Ordering::Relaxed);",
        )],
        tests: &[Loom("loom_own_lines_of_two_cpus_are_whole_and_none_is_lost_uncounted")],
    },
    Mend {
        attack: "two partitions change triggers in one register at the same time",
        changes: &[change(
            "src/el2/drivers/gic/this_cpu.rs",
            "match self.gic().triggers().of(index) {",
            "match self.gic().triggers().of(index).filter(|_| false) {",
        )],
        tests: &[
            Boot("shared_registers::changes_of_triggers_are_kept::gicv2"),
            Boot("shared_registers::trapped::changes_of_triggers_are_kept::gicv3"),
        ],
    },
    Mend {
        attack: "two CPUs change the shadow of a shared register at the same time",
        changes: &[change(
            "src/util/shared_register.rs",
            "let new = self.wanted.fetch_xor(change, Ordering::AcqRel) ^ change;",
            "let new = old ^ change; self.wanted.store(new, Ordering::Release);",
        )],
        tests: &[Loom("loom_changes_of_a_shared_register_are_neither_late_nor_undone")],
    },
    Mend {
        attack: "an interrupt deactivated by another partition arrives, with list registers free",
        changes: &[change(
            ARRIVALS,
            "if free == 0 || self.is_injected(intid, usable & !free) {",
            "if free == 0 {",
        )],
        tests: &[
            Library(NOT_TWICE),
            Boot("shared_registers::an_interrupt_ended_by_another_partition_is_not_taken_again"),
        ],
    },
    Mend {
        attack: "an interrupt deactivated by another partition arrives, with none free",
        changes: &[change(
            DELIVERY,
            "bank.active & set.mask() == 0 && !is_held {",
            "bank.active & set.mask() == 0 {",
        )],
        tests: &[Library(NOT_TWICE)],
    },
    Mend {
        attack: "an SGI arrives from a second source while the first is in a list register",
        changes: &[change(DELIVERY, "if state.holds(0, ready, full) {", "if false {")],
        tests: &[
            Library("vgic::tests::properties::gicv2_behaves_like_the_reference"),
            Library("vgic::tests::cases::gicv2_sgis_are_pending_once_for_each_source"),
        ],
    },
    Mend {
        attack: "a partition restarts, and its peer goes on to use its old rings and buffers",
        changes: &[change(
            "src/el2/links/moving.rs",
            "senders |= held.detach(number);",
            "senders |= u64::MAX;",
        )],
        tests: &[Boot("links::a_peer_restarts_under_traffic::gicv2")],
    },
    Mend {
        attack: "a guest writes a disk that others read",
        changes: &[
            change(
                "src/mm/tables/attributes.rs",
                "Self(STAGE_2_READ | ACCESSED | WRITE_BACK | INNER | NO_EXECUTE);",
                "Self(STAGE_2 | WRITE_BACK | INNER | NO_EXECUTE);",
            ),
            change("src/boot/audit/owned.rs", "= DISK & !(1 << 7);", "= DISK;"),
        ],
        tests: &[
            Library("descriptors_equal_those_of_aarch64_paging"),
            Boot("disks::bare_metal_guests_share_a_disk_that_none_can_change::gicv2"),
        ],
    },
    Mend {
        attack: "a guest writes a disk by virtio that others read",
        changes: &[
            change(
                "src/virtio/disk.rs",
                "OUT if self.is_read_only => return Ok((Status::IoError, 0)),",
                "",
            ),
            change(
                "src/el2/boot/stage2.rs",
                "let access = if disk.is_read_only { Access::Read } else { Access::Write };",
                "let access = Access::Write;",
            ),
        ],
        tests: &[
            Library("virtio::tests::disk::requests_that_cannot_be_carried_out_are_answered"),
            Boot("virtio_disks::bare_metal_guests_share_a_disk_that_none_can_change::gicv2"),
        ],
    },
    Mend {
        attack: "a partition reaches the memory of another's disk by virtio",
        changes: &[change(
            "src/boot/audit/mod.rs",
            "mapped.extend(owned::behind_devices(plan));",
            "",
        )],
        tests: &[Library(
            "boot::audit::tests::disks::disks_by_virtio_that_a_partition_reaches_are_found",
        )],
    },
    Mend {
        attack: "a driver resets its disk, and EL2 goes on to use its queue",
        changes: &[change("src/el2/links/disk.rs", "disk.attach(None);", "")],
        tests: &[Boot("virtio_disks::bare_metal_guests_share_a_disk_that_none_can_change::gicv2")],
    },
    Mend {
        attack: "two partitions have a disk that both can write",
        changes: &[change(
            "src/boot/audit/owned.rs",
            "let are_only_read = own.is_read_only && other.is_read_only;",
            "let are_only_read = true;",
        )],
        tests: &[Library("a_shared_disk_that_can_be_written_is_found")],
    },
    Mend {
        attack: "a third partition has memory that two others share",
        changes: &[change(
            "src/boot/audit/owned.rs",
            "if !has_all_ports(own, plans) {",
            "if false {",
        )],
        tests: &[Library("a_third_partition_that_reaches_it_is_found")],
    },
    Mend {
        attack: "a peer rings a partition that does not run",
        changes: &[change(
            "src/devices/doorbell.rs",
            "rung & !bit(port.into()) & self.ready.load(Ordering::Acquire)",
            "rung & !bit(port.into())",
        )],
        tests: &[Library("a_port_is_rung_by_its_number_and_only_if_it_is_on")],
    },
    Mend {
        attack: "a guest beside others has direct interrupts without having asked for them",
        changes: &[change(
            "src/boot/description/bulkhead.rs",
            "let default = if alone { Delivery::Direct } else { Delivery::Trapped };",
            "let default = if alone { Delivery::Trapped } else { Delivery::Direct };",
        )],
        tests: &[
            Boot("shared_registers::no_interrupt_of_another_partition_is_ended_by_default"),
            Boot("monitor::sleep_with_all_priorities_active_is_stopped_by_default::gicv3"),
        ],
    },
    Mend {
        attack: "a guest with direct interrupts blocks Bulkhead's, and runs on when it is stopped",
        changes: &[
            change("src/el2/partition/lifecycle.rs", "            self.stage2.cut();\n", ""),
            change("src/el2/monitor.rs", "            partition.stage2.cut();\n", ""),
        ],
        tests: &[Boot("monitor::loop_with_all_interrupts_masked_is_stopped_and_restarted::gicv3")],
    },
    Mend {
        attack: "a request comes while its CPU acknowledges the kick in its work",
        changes: &[change(
            "src/util/wake.rs",
            "    while !wakes.iter()",
            "    while { wait(); true } && !wakes.iter()",
        )],
        tests: &[
            Loom("loom_a_cpu_does_not_sleep_while_work_is_requested"),
            Boot("disturb::orders_and_resets_at_any_moment_never_hang::gicv2"),
            Boot("disturb::orders_and_resets_at_any_moment_never_hang::gicv3"),
            Boot("disturb::trapped::orders_and_resets_at_any_moment_never_hang::gicv3"),
        ],
    },
    Mend {
        attack: "a guest resets itself to have more lines about its faults",
        changes: &[change(
            PARTITION,
            "        state.injections = 0;\n",
            "        state.injections = 0;\n        state.fault_lines = line_limit();\n",
        )],
        tests: &[Boot("disturb::faults_and_resets_do_not_flood_the_log::gicv2")],
    },
    Mend {
        attack: "a guest resets itself to flood the log with lines about its restarts",
        changes: &[change(
            "src/el2/partition/lifecycle.rs",
            "next != Next::Build || state.restart_lines",
            "next == Next::Build || state.restart_lines",
        )],
        tests: &[Boot("disturb::faults_and_resets_do_not_flood_the_log::gicv2")],
    },
    Mend {
        attack: "a guest leaves a message in the claim tags of its CPU's debug registers",
        changes: &[change(
            "src/el2/arch/register_files.rs",
            "    write_register!(\"dbgclaimclr_el1\", CLAIM_TAGS);\n",
            "    _ = CLAIM_TAGS;\n",
        )],
        tests: &[Boot("restart::two_hundred_restarts_leave_nothing_behind::gicv2")],
    },
    Mend {
        attack: "a guest leaves a register that its CPU's feature permits",
        changes: &[change(REGISTERS, "tpidr2_el0(3, 3, 13, 0, 5),", "")],
        tests: &[Boot("restart::no_register_survives_a_restart_on_the_newest_core")],
    },
    Mend {
        attack: "a guest leaves a message in the allocation tags of its memory",
        changes: &[change("src/el2/mm/fill.rs", "if has_tags() {", "if false {")],
        tests: &[Boot("restart::no_tag_survives_a_restart::gicv2")],
    },
    Mend {
        attack: "a guest controls the terminal in the shared view",
        changes: &[change(
            "src/operator/console/filter.rs",
            "        const ESCAPE: u8 = 0x1b;\n",
            "        if true { return Some(byte); }\n        const ESCAPE: u8 = 0x1b;\n",
        )],
        tests: &[
            Library("only_text_is_left_of_each_kind_of_sequence"),
            Library("nothing_but_printable_ascii_and_tabs_passes"),
            Boot("disturb::control_sequences_do_not_reach_the_terminal::gicv2"),
        ],
    },
    Mend {
        attack: "a piece of a restart's work is eight times as long",
        changes: &[change(
            "src/el2/mm/fill.rs",
            "SCRUB_PIECE: u64 = 128 << 10;",
            "SCRUB_PIECE: u64 = 1 << 20;",
        )],
        tests: &[Boot("stays::trapped::no_stay_is_longer_than_its_goal::gicv3")],
    },
    Mend {
        attack: "a CPU that runs a guest sends much of others' output in one visit",
        changes: &[change(
            PIECES,
            "const PIECE_BUDGET: usize = 42;",
            "const PIECE_BUDGET: usize = 800;",
        )],
        tests: &[Boot("stays::no_stay_is_longer_than_its_goal::gicv2")],
    },
    Mend {
        attack: "lines about 64 partitions that end at once are lost",
        changes: &[change(
            "src/operator/console/own_lines.rs",
            "if cfg!(all(test, loom)) { 2 } else { 128 };",
            "if cfg!(all(test, loom)) { 2 } else { 16 };",
        )],
        tests: &[Boot("scale::sixty_four_partitions_on_sixty_four_cpus")],
    },
    Mend {
        attack: "a guest locks the OS Lock and enables Debug state, where a CPU stays for ever",
        changes: &[change(
            "src/boot/el2_registers/mod.rs",
            "const MDCR_TDOSA: u64 = 1 << 10;",
            "const MDCR_TDOSA: u64 = 0;",
        )],
        tests: &[
            Library("isolation_holds_on_any_cpu"),
            Boot("cores::newest_core_passes_the_probe::gicv3"),
        ],
    },
];
