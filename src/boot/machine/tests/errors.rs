//! Errors in a machine's tree, and errors that are only remarks.

use alloc::format;

use super::*;

#[test]
fn a_console_that_cannot_be_used_is_a_remark() {
    let remark = |chosen| {
        let machine = Board { chosen, ..BOARD }.read().unwrap();
        assert_eq!(machine.console, None);
        machine.remarks.concat()
    };
    assert_eq!(remark(|_| ()), "");
    assert_eq!(
        remark(|chosen| chosen.property_str("stdout-path", "serial7:9600")),
        "no console: stdout-path, `serial7:9600`, does not exist"
    );
    assert_eq!(
        remark(|chosen| chosen.property_str("stdout-path", "/timer")),
        "no console: stdout-path, `/timer`, is no UART that Bulkhead has a driver for"
    );
}

#[test]
fn missing_nodes_are_errors() {
    let nothing: fn(&mut Writer) = |_| ();
    let unnamed = |gic: &mut Writer| gic.property_str("compatible", "acme,intc");
    for (board, what) in [
        (with(|board| board.cpus = nothing), "CPU"),
        (with(|board| board.memory = nothing), "memory"),
        (with(|board| board.gic = unnamed), "GIC"),
        (with(|board| board.timer = nothing), "timer"),
    ] {
        assert_eq!(board.error(), ["the machine's tree has no ", what].concat());
    }
}

#[test]
fn errors_name_their_node() {
    let old_gic = |gic: &mut Writer| {
        gic.property_str("compatible", "arm,cortex-a9-gic");
        gic.property_cells("reg", &GIC_V2_REG[..8]);
    };
    let small_gic = |gic: &mut Writer| {
        gic.property_str("compatible", "arm,gic-v3");
        gic.property_cells("reg", &GIC_V2_REG);
    };
    let mute_gic = |gic: &mut Writer| {
        gic.property_str("compatible", "arm,gic-400");
        gic.property_cells("reg", &GIC_V2_REG);
    };
    let loud_gic = |gic: &mut Writer| {
        gic.property_str("compatible", "arm,gic-400");
        gic.property_cells("reg", &GIC_V2_REG);
        gic.property_cells("interrupts", &[0, 9, 4]);
    };
    // GICH reaches past 512 GiB, or GICV is not page-aligned.
    let endless_gic = |gic: &mut Writer| {
        let mut reg = GIC_V2_REG;
        reg[10] = 0x80;
        gic.property_str("compatible", "arm,gic-400");
        gic.property_cells("reg", &reg);
    };
    let crooked_gic = |gic: &mut Writer| {
        let mut reg = GIC_V2_REG;
        reg[13] += 0x800;
        gic.property_str("compatible", "arm,gic-400");
        gic.property_cells("reg", &reg);
    };
    let lost_initrd = |chosen: &mut Writer| {
        chosen.property_u32("linux,initrd-start", 0x1000);
        chosen.property_u32("linux,initrd-end", 0x2000);
    };
    let spi_timer = |timer: &mut Writer| {
        timer.property_str("compatible", "arm,armv8-timer");
        timer.property_cells("interrupts", &[0; 12]);
    };
    let short_timer = |timer: &mut Writer| {
        timer.property_str("compatible", "arm,armv8-timer");
        timer.property_cells("interrupts", &[1, 13, 4, 1, 14, 4, 1, 11, 4]);
    };
    let nameless_cpu = |cpus: &mut Writer| cpu(cpus, "cpu@0", |_| ());
    let spinning_cpu = |cpus: &mut Writer| {
        cpu(cpus, "cpu@0", |cpu| {
            cpu.property_u32("reg", 0);
            cpu.property_str("enable-method", "spin-table");
        });
    };
    let twice = |root: &mut Writer| bank(root, "memory@0", &[0, 0, 0, 2, 0, 1, 0, 2]);
    let half_a_bank = |root: &mut Writer| bank(root, "memory@0", &[0]);
    let psci = |root: &mut Writer| {
        node(root, "psci", |psci| psci.property_str("compatible", "arm,psci"));
    };
    for (board, sentence) in [
        (with(|board| board.gic = old_gic), "/intc@8000000 it has no virtual CPU interface"),
        (
            with(|board| board.gic = small_gic),
            "/intc@8000000 its registers are missing or too small",
        ),
        (
            with(|board| board.gic = mute_gic),
            "/intc@8000000 its maintenance interrupt is missing: give the PPI in `interrupts`",
        ),
        (
            with(|board| board.gic = loud_gic),
            "/intc@8000000 its maintenance interrupt is not a PPI",
        ),
        (with(|board| board.gic = endless_gic), "/intc@8000000 its registers lie above 512 GiB"),
        (
            with(|board| board.gic = crooked_gic),
            "/intc@8000000 its virtual CPU interface is not page-aligned",
        ),
        (with(|board| board.chosen = lost_initrd), "/chosen its initrd is not in memory"),
        (with(|board| board.timer = spi_timer), "/timer its phys interrupt is not a PPI"),
        (with(|board| board.timer = short_timer), "/timer its hyp-phys interrupt is missing"),
        (with(|board| board.cpus = nameless_cpu), "/cpus/cpu@0 `reg` is missing or invalid"),
        (
            with(|board| board.cpus = spinning_cpu),
            "/cpus/cpu@0 `cpu-release-addr` is missing or invalid",
        ),
        (with(|board| board.memory = twice), "/memory@0 its memory overlaps other memory"),
        (with(|board| board.memory = half_a_bank), "/memory@0 its `reg` ends within an entry"),
        (with(|board| board.more = psci), "/psci `method` is missing or invalid"),
    ] {
        let (path, clause) = sentence.split_once(' ').unwrap();
        assert_eq!(board.error(), [path, " of the machine's tree: ", clause].concat());
    }
}

#[test]
fn a_refused_tree_still_says_how_the_machine_ends() {
    let psci = |root: &mut Writer| {
        node(root, "psci", |psci| {
            psci.property_str("compatible", "arm,psci-1.0");
            psci.property_str("method", "smc");
        });
    };
    let pm = |root: &mut Writer| {
        node(root, "watchdog@9100000", |pm| {
            pm.property_str("compatible", "brcm,bcm2835-pm");
            pm.property_cells("reg", &[0, 0x910_0000, 0, 0x114]);
        });
    };
    let half_a_bank = |root: &mut Writer| bank(root, "memory@0", &[0]);
    let ends = |more| {
        let bytes = Board { memory: half_a_bank, timer: |_| (), more, ..BOARD }.bytes();
        let tree = Tree::new(&bytes).unwrap();
        assert!(Machine::read(&tree, Ok(None)).is_err());
        Ends::read(&tree)
    };
    assert_eq!(ends(|_| ()), Ends { psci: None, watchdog: None });
    assert_eq!(ends(psci), Ends { psci: Some(Conduit::Smc), watchdog: None });
    let watchdog = Some(region(0x910_0000, 0x114));
    assert_eq!(ends(pm), Ends { psci: None, watchdog });
}

/// QEMU's ZCU102 with 4 GiB has such a tree.
#[test]
fn memory_over_the_registers_of_the_gic_or_the_console_is_refused() {
    let whole = |root: &mut Writer| bank(root, "memory@0", &[0, 0, 0, 0xc000_0000]);
    let why = "its registers are in what the tree has as memory: correct the memory nodes, or give \
               the machine less memory";
    let error = Board { memory: whole, ..BOARD }.error();
    assert_eq!(error, format!("/intc@8000000 of the machine's tree: {why}"));
    let uart = |root: &mut Writer| bank(root, "memory@9000000", &[0, 0x900_0000, 0, 0x1000]);
    let error = Board { memory: uart, ..BOARD }.error();
    assert_eq!(error, format!("/uart@9000000 of the machine's tree: {why}"));
}

#[test]
fn a_redistributor_stride_is_two_frames_or_more() {
    fn gic(gic: &mut Writer, stride: u64) {
        gic.property_str("compatible", "arm,gic-v3");
        gic.property_u64("redistributor-stride", stride);
        gic.property_cells("reg", &[0, 0x800_0000, 0, 0x1_0000, 0, 0x80a_0000, 0, 0xf6_0000]);
        gic.property_cells("interrupts", &[1, 9, 4]);
    }
    let error = "/intc@8000000 of the machine's tree: its redistributor-stride is not two frames of \
                 64 KiB or more";
    assert_eq!(Board { gic: |it| gic(it, 0x1_0000), ..BOARD }.error(), error);
    assert_eq!(Board { gic: |it| gic(it, 0x2_8000), ..BOARD }.error(), error);
    Board { gic: |it| gic(it, 0x3_0000), ..BOARD }.read().unwrap();
}
