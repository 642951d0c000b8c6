//! Stock drivers of Debian's kernel for what belongs to passed-through devices: they bind only if
//! the guest's tree has it whole.

use common::{Machine, Partition, board_tree, compile, compile_machine, decompile, source};

/// A clock on an I2C bus, a flash on an SPI bus, a PHY on an MDIO bus and a key, at controllers of
/// the Raspberry Pi that have fixed clocks.
///
/// QEMU has the clock and the flash, but leads no interrupt of these controllers to the GIC: the
/// flash is polled, and reading the clock times out, also on the bare machine. The MDIO controller
/// is a page that reads as zero, so the tree says which PHY it is.
const DEVICES: &str = r#"
/ {
    soc {
        i2c@7e804000 {
            clocks = <&{/clocks/clk-osc}>;
            rtc@68 { compatible = "dallas,ds1338"; reg = <0x68>; };
        };
        spi@7e204000 {
            status = "okay";
            clocks = <&{/clocks/clk-osc}>;
            flash@0 {
                compatible = "jedec,spi-nor";
                reg = <0>;
                spi-max-frequency = <25000000>;
                partitions {
                    compatible = "fixed-partitions";
                    #address-cells = <1>;
                    #size-cells = <1>;
                    partition@0 { label = "settings"; reg = <0x0 0x10000>; };
                };
            };
        };
        mdio@7e600000 {
            compatible = "brcm,unimac-mdio";
            reg = <0x7e600000 0x8>;
            reg-names = "mdio";
            #address-cells = <1>;
            #size-cells = <0>;
            ethernet-phy@1 { compatible = "ethernet-phy-id2000.5ca0"; reg = <1>; };
        };
    };
    keys {
        compatible = "gpio-keys";
        power { label = "power"; linux,code = <116>; gpios = <&{/soc/gpio@7e200000} 26 1>; };
    };
};
"#;

#[test]
fn stock_drivers_find_what_belongs_to_their_devices() {
    let tree = compile_machine(&(decompile(&board_tree()).0 + DEVICES));
    // Ticks on two CPUs, since QEMU's GICv2 may keep a timer's interrupt until another event
    // (docs/limits.md).
    let linux = Partition::linux("linux").cpus(2).ramdisk("linux/drivers.cpio.gz").property(
        "devices = \"/soc/i2c@7e804000\", \"/soc/spi@7e204000\"; \
         trusted-devices = \"/soc/gpio@7e200000\", \"/soc/mdio@7e600000\";",
    );
    let modules = "mtd,spi-nor,spi-bcm2835,i2c-bcm2835,gpio_keys,libphy,fixed_phy,fwnode_mdio,\
                   of_mdio,dp83848,mdio-bcm-unimac";
    let linux = linux.bootargs(&format!("console=ttyAMA0 nohz=off bulkhead.load={modules}"));
    let machine = Machine::raspberry_pi(&compile(&source(&[linux]))).tree(&tree).deadline(240);
    let machine = machine.option("-device", "ds1338,bus=i2c-bus.1,address=0x68");
    let outcome = machine.option("-device", "w25q80,bus=spi").boot();
    outcome.expect_success().expect_no_line("FAIL");
    for line in [
        "bulkhead-linux: driver spi spi0.0 spi-nor",
        "spi-nor spi0.0: w25q80 (1024 Kbytes)",
        "bulkhead-linux: driver mdio_bus fe600000.mdio--1:01 TI DP83848C",
        "bulkhead-linux: driver platform keys-",
        "input: keys-",
        "rtc-ds1307: probe of 0-0068 failed with error -110",
    ] {
        outcome.expect_line("linux", line);
    }
    let key = outcome.of("linux").containing("driver platform keys-").containing(" gpio-keys");
    outcome.check(!key.is_empty(), "the key has no driver");
    for line in [
        "trusted     linux: /soc/gpio@7e200000 steers the pins of other devices",
        "trusted     linux: /soc/gpio@7e200000 serves ",
        "trusted     linux: /soc/mdio@7e600000 is not known to leave other partitions alone",
    ] {
        outcome.expect_line("bulkhead", line);
    }
    outcome.expect_no_line("which may refer to");
}
