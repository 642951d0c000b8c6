//! The UART that a machine's tree names.

use super::*;
use crate::util::uart::Spacing;

/// Returns a board with another UART, of this `compatible` and with these further properties.
fn with_uart(chosen: fn(&mut Writer), more: fn(&mut Writer)) -> Machine {
    Board { chosen, more, ..BOARD }.read().unwrap()
}

/// Writes a UART with this `compatible`, and numbers as properties.
fn uart(root: &mut Writer, compatible: &[&str], size: u32, numbers: &[(&str, u32)]) {
    node(root, "uart@9100000", |uart| {
        uart.property_strings("compatible", compatible);
        uart.property_cells("reg", &[0, 0x910_0000, 0, size]);
        uart.property_cells("interrupts", &[0, 5, 4]);
        for (name, value) in numbers {
            uart.property_u32(name, *value);
        }
    });
}

const STDOUT: fn(&mut Writer) = |chosen| chosen.property_str("stdout-path", "/uart@9100000");

#[test]
fn a_16550_has_the_spacing_of_its_node_or_of_its_binding() {
    let spacing = |shift, bytes| Spacing::new(shift, bytes).unwrap();
    let kind = |more| with_uart(STDOUT, more).console.unwrap().kind;
    for (more, expected) in [
        (
            (|root| uart(root, &["fsl,ns16550", "ns16550a"], 0x100, &[])) as fn(&mut Writer),
            ConsoleKind::Ns16550(Spacing::BYTES),
        ),
        (
            |root| uart(root, &["ns16550a"], 0x100, &[("reg-shift", 2), ("reg-io-width", 4)]),
            ConsoleKind::Ns16550(Spacing::WORDS),
        ),
        (
            |root| uart(root, &["nvidia,tegra20-uart"], 0x40, &[("reg-shift", 2)]),
            ConsoleKind::Ns16550(spacing(2, 1)),
        ),
        (
            |root| uart(root, &["ti,am64-uart", "ti,am654-uart"], 0x100, &[]),
            ConsoleKind::Ns16550(Spacing::WORDS),
        ),
        (
            |root| uart(root, &["mediatek,mt6577-uart"], 0x100, &[]),
            ConsoleKind::Ns16550(Spacing::WORDS),
        ),
        (
            |root| {
                let numbers = [("reg-shift", 2), ("reg-io-width", 1)];
                uart(root, &["acme,uart", "snps,dw-apb-uart"], 0x100, &numbers);
            },
            ConsoleKind::DesignWare(spacing(2, 1)),
        ),
    ] {
        assert_eq!(kind(more), expected);
    }
}

#[test]
fn a_16550_whose_registers_would_overlap_is_a_remark() {
    for more in [
        (|root| uart(root, &["ns16550a"], 0x100, &[("reg-io-width", 4)])) as fn(&mut Writer),
        |root| uart(root, &["ns16550a"], 0x100, &[("reg-shift", 5)]),
        |root| uart(root, &["ti,am654-uart"], 0x100, &[("reg-io-width", 3)]),
    ] {
        let machine = with_uart(STDOUT, more);
        assert_eq!(machine.console, None);
        assert_eq!(
            machine.remarks,
            ["no console: stdout-path, `/uart@9100000`, needs a reg-shift from 0 to 4, and a \
              reg-io-width that fits it"]
        );
    }
}

#[test]
fn registers_that_the_driver_needs_are_in_the_tree() {
    let remarks = |more| with_uart(STDOUT, more).remarks.concat();
    let why = "no console: stdout-path, `/uart@9100000`, has too small or misaligned registers";
    assert_eq!(remarks(|root| uart(root, &["arm,pl011"], 0x38, &[])), why);
    assert_eq!(remarks(|root| uart(root, &["arm,pl011"], 0x3c, &[])), "");
    assert_eq!(remarks(|root| uart(root, &["snps,dw-apb-uart"], 0x1f, &[])), why);
}

/// The driver has no input from them, and their interrupt stays disabled.
#[test]
fn uarts_whose_output_alone_is_used_have_no_interrupt() {
    for (more, kind) in [
        (
            (|root| uart(root, &["amlogic,meson-g12a-uart", "amlogic,meson-gx-uart"], 24, &[]))
                as fn(&mut Writer),
            ConsoleKind::Meson,
        ),
        (
            |root| uart(root, &["fsl,imx93-lpuart", "fsl,imx7ulp-lpuart"], 0x1000, &[]),
            ConsoleKind::Lpuart,
        ),
        (|root| uart(root, &["qcom,geni-debug-uart"], 0x4000, &[]), ConsoleKind::Geni),
        (
            |root| uart(root, &["renesas,rcar-gen3-scif", "renesas,scif"], 64, &[]),
            ConsoleKind::Scif,
        ),
    ] {
        let console = with_uart(STDOUT, more).console.unwrap();
        assert_eq!((console.kind, console.interrupt), (kind, None));
    }
}

#[test]
fn the_alias_serial0_is_taken_without_a_stdout_path() {
    fn aliases(root: &mut Writer, status: &str) {
        node(root, "aliases", |aliases| aliases.property_str("serial0", "/uart@9100000"));
        node(root, "uart@9100000", |uart| {
            uart.property_str("compatible", "arm,pl011");
            uart.property_cells("reg", &[0, 0x910_0000, 0, 0x1000]);
            uart.property_str("status", status);
        });
    }
    let okay: fn(&mut Writer) = |root| aliases(root, "okay");
    let disabled: fn(&mut Writer) = |root| aliases(root, "disabled");
    let machine = Board { chosen: |_| (), more: okay, ..BOARD }.read().unwrap();
    assert_eq!(machine.console.unwrap().path, "/uart@9100000");
    // With a stdout-path it is not.
    let machine = Board { more: okay, ..BOARD }.read().unwrap();
    assert_eq!(machine.console.unwrap().path, "/uart@9000000");
    let machine = Board { chosen: |_| (), more: disabled, ..BOARD }.read().unwrap();
    assert_eq!(machine.console, None);
    assert_eq!(machine.remarks, ["no console: the alias serial0, `/uart@9100000`, is disabled"]);
}
