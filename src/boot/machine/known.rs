//! What is known about kinds of devices, by the names in `compatible`. Everything else counts as
//! [`Reach::Unknown`](super::Reach::Unknown).

/// A list of names: one string with a NUL behind each name, because each pointer to a name would have
/// to be relocated whenever the image starts.
pub(super) struct Names(&'static str);

impl Names {
    /// Returns the names.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.0.split_terminator('\0')
    }

    /// Returns whether `name` is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|it| it == name)
    }
}

macro_rules! names {
    ($($name:literal),* $(,)?) => { Names(concat!($($name, "\0"),*)) };
}

/// Devices that neither access memory by themselves nor steer anything beyond their own lines: the
/// CPU moves all of their data. The first name of a node decides, since a later one stands only for
/// what devices have in common: `brcm,bcm7271-uart` has a DMA engine that its `ns16550a` has not.
///
/// Not among them, though similar: Amlogic's `spicc` and Qualcomm's `geni` have DMA engines of
/// their own; counters that other devices read; watchdogs, which reset the machine; ZynqMP's GPIO,
/// some of whose lines are resets; on-chip SRAM, in which firmware may have its mailboxes.
#[rustfmt::skip]
pub(super) const HARMLESS: Names = names! {
    // UARTs: a FIFO in each direction, which the CPU fills and empties.
    "amlogic,meson-ao-uart", "amlogic,meson-gx-uart", "amlogic,meson-s4-uart", "arm,pl011",
    "arm,sbsa-uart", "brcm,bcm2835-aux-uart", "cdns,uart-r1p12", "cdns,uart-r1p8",
    "fsl,imx6q-uart", "fsl,imx7ulp-lpuart", "fsl,imx8mm-uart", "fsl,imx8mn-uart",
    "fsl,imx8mp-uart", "fsl,imx8mq-uart", "fsl,imx8qm-lpuart", "fsl,imx8qxp-lpuart",
    "fsl,imx8ulp-lpuart", "fsl,imx93-lpuart", "fsl,ls1021a-lpuart", "fsl,ls1028a-lpuart",
    "fsl,ns16550", "marvell,armada-3700-uart", "marvell,armada-3700-uart-ext", "ns16450",
    "ns16550", "ns16550a", "ns8250", "nvidia,tegra124-uart", "nvidia,tegra20-uart",
    "nvidia,tegra210-uart", "nvidia,tegra30-hsuart", "renesas,hscif-r8a774a1",
    "renesas,scif-r8a774a1", "rockchip,px30-uart", "rockchip,rk3308-uart",
    "rockchip,rk3328-uart", "rockchip,rk3368-uart", "rockchip,rk3399-uart",
    "rockchip,rk3568-uart", "rockchip,rk3588-uart", "snps,dw-apb-uart", "ti,am64-uart",
    "ti,am654-uart", "ti,j721e-uart", "xlnx,xuartps", "xlnx,zynqmp-uart",
    // What makes the mini-UART and two SPI masters of the Raspberry Pi work, in their page.
    "brcm,bcm2835-aux",
    // I2C masters: a few bytes at a time. What is on their bus may steer more, which the nodes
    // that refer to it show.
    "allwinner,sun50i-a100-i2c", "allwinner,sun50i-a64-i2c", "allwinner,sun50i-h6-i2c",
    "allwinner,sun50i-h616-i2c", "allwinner,sun6i-a31-i2c", "amlogic,meson-axg-i2c",
    "amlogic,meson-gxbb-i2c", "arm,versatile-i2c", "brcm,bcm2711-hdmi-i2c", "brcm,bcm2711-i2c",
    "brcm,bcm2835-i2c", "cdns,i2c-r1p10", "cdns,i2c-r1p14", "fsl,imx21-i2c",
    "fsl,imx7ulp-lpi2c", "fsl,imx8dxl-lpi2c", "fsl,imx8mm-i2c", "fsl,imx8mn-i2c",
    "fsl,imx8mp-i2c", "fsl,imx8mq-i2c", "fsl,imx8qm-lpi2c", "fsl,imx8qxp-lpi2c",
    "fsl,imx8ulp-lpi2c", "fsl,imx93-lpi2c", "fsl,ls1043a-i2c", "fsl,ls1046a-i2c",
    "fsl,vf610-i2c", "hisilicon,hix5hd2-i2c", "marvell,armada-3700-i2c", "marvell,mv78230-i2c",
    "nvidia,tegra124-i2c", "nvidia,tegra210-i2c", "renesas,i2c-r8a774a1",
    "renesas,iic-r8a774a1", "rockchip,px30-i2c", "rockchip,rk3308-i2c", "rockchip,rk3328-i2c",
    "rockchip,rk3368-i2c", "rockchip,rk3399-i2c", "rockchip,rk3568-i2c", "rockchip,rk3588-i2c",
    "snps,designware-i2c", "ti,am64-i2c", "ti,am654-i2c", "ti,j721e-i2c",
    // SPI masters, with a FIFO or with flash that the CPU reads as memory.
    "allwinner,sun50i-h6-spi", "allwinner,sun50i-h616-spi", "allwinner,sun8i-h3-spi",
    "amlogic,meson-gxbb-spifc", "arm,pl022", "brcm,bcm2835-aux-spi", "brcm,bcm2835-spi",
    "cdns,spi-r1p6", "fsl,imx51-ecspi", "fsl,imx8mm-ecspi", "fsl,imx8mn-ecspi",
    "fsl,imx8mp-ecspi", "fsl,imx8mq-ecspi", "fsl,imx8mq-qspi", "fsl,imx8ulp-spi",
    "fsl,imx93-spi", "fsl,ls1012a-dspi", "fsl,ls1021a-qspi", "fsl,ls1021a-v1.0-dspi",
    "fsl,ls1028a-dspi", "fsl,ls1043a-dspi", "fsl,ls1043a-qspi", "fsl,ls1088a-dspi",
    "fsl,ls2080a-dspi", "fsl,ls2080a-qspi", "fsl,lx2160a-dspi", "marvell,armada-3700-spi",
    "marvell,armada-380-spi", "nvidia,tegra124-spi", "nvidia,tegra210-qspi",
    "nvidia,tegra210-spi", "nxp,imx8mm-fspi", "nxp,imx8mp-fspi", "nxp,lx2160a-fspi",
    "renesas,msiof-r8a774a1", "rockchip,px30-spi", "rockchip,rk3308-spi", "rockchip,rk3328-spi",
    "rockchip,rk3368-spi", "rockchip,rk3399-spi", "rockchip,rk3568-spi", "rockchip,rk3588-spi",
    "ti,am654-mcspi", "ti,am654-ospi",
    // PWMs and GPIO: lines of their own. The nodes that refer to them show what is at the lines.
    "allwinner,sun50i-a64-pwm", "allwinner,sun50i-h6-pwm", "allwinner,sun8i-h3-pwm",
    "amlogic,meson-axg-ee-pwm", "amlogic,meson-g12a-ee-pwm", "amlogic,meson-gx-pwm",
    "apm,xgene-gpio", "arm,pl061", "brcm,bcm2835-pwm", "fsl,imx27-pwm", "fsl,imx35-gpio",
    "fsl,imx8mm-gpio", "fsl,imx8mm-pwm", "fsl,imx8mn-gpio", "fsl,imx8mn-pwm",
    "fsl,imx8mp-gpio", "fsl,imx8mp-pwm", "fsl,imx8mq-gpio", "fsl,imx8mq-pwm",
    "fsl,imx8qm-gpio", "fsl,imx8qxp-gpio", "fsl,ls1028a-gpio", "fsl,ls1043a-gpio",
    "fsl,ls1088a-gpio", "fsl,ls2080a-gpio", "fsl,qoriq-gpio", "fsl,vf610-ftm-pwm",
    "nvidia,tegra124-pwm", "nvidia,tegra210-pwm", "renesas,pwm-r8a774a1",
    "rockchip,gpio-bank", "rockchip,px30-pwm", "rockchip,rk3308-pwm", "rockchip,rk3328-pwm",
    "rockchip,rk3368-pwm", "rockchip,rk3399-pwm", "rockchip,rk3568-pwm", "snps,dw-apb-gpio",
    "ti,am64-epwm", "ti,am654-ehrpwm", "ti,am654-gpio",
    // Real-time clocks, and timers that count for their owner.
    "arm,pl031", "arm,sp804", "cdns,ttc", "marvell,armada-8k-rtc", "nvidia,tegra210-rtc",
    "renesas,tmu-r8a774a1", "ti,am62-rtc", "xlnx,zynqmp-rtc",
    // CAN controllers with mailboxes or a message RAM of their own.
    "bosch,m_can", "fsl,imx8mp-flexcan", "fsl,lx2160ar1-flexcan", "renesas,can-r8a774a1",
    "xlnx,zynq-can-1.0",
    // Converters, keyboards, infrared receivers and random numbers: registers to read.
    "allwinner,sun50i-a64-lradc", "amlogic,meson-gx-ir", "amlogic,meson-gxbb-ir",
    "amlogic,meson-rng", "arm,pl050", "brcm,bcm2711-rng200", "brcm,bcm2835-rng",
    "rockchip,rk3399-saradc", "rockchip,saradc",
    // Parallel flash: memory.
    "cfi-flash", "cypress,hyperflash",
};

/// Devices that access memory by themselves, or make firmware do so. One of a node's names is
/// enough. A device that is missing here is unknown, and refused too.
#[rustfmt::skip]
pub(super) const BUS_MASTERS: Names = names! {
    "virtio,mmio", "qemu,fw-cfg-mmio", "pci-host-cam-generic", "pci-host-ecam-generic",
    "snps,dw-pcie", "arm,gic-v3-its",
    // DMA engines.
    "arm,pl080", "arm,pl081", "arm,pl330", "xlnx,zynqmp-dma-1.0",
    // Displays, cameras and GPUs.
    "arm,pl110", "arm,pl111", "arm,hdlcd", "arm,mali-dp500", "arm,mali-400", "arm,mali-450",
    "arm,mali-bifrost", "arm,mali-midgard", "arm,mali-t624", "arm,mali-t720", "arm,mali-t760",
    "arm,mali-t820", "arm,mali-t860",
    // USB.
    "generic-ehci", "generic-ohci", "generic-xhci", "snps,dwc2", "snps,dwc3", "cdns,usb3",
    "fsl,imx7d-usb",
    // Disks and cards.
    "generic-ahci", "snps,dwc-ahci", "ceva,ahci-1v84", "jedec,ufs-2.0", "arasan,sdhci-4.9a",
    "arasan,sdhci-5.1", "arasan,sdhci-8.9a", "fsl,esdhc", "fsl,imx7d-usdhc", "snps,dw-mshc",
    "rockchip,rk3288-dw-mshc", "snps,dwcmshc-sdhci",
    // Networks.
    "cdns,gem", "cdns,macb", "fsl,imx6q-fec", "fsl,imx6sx-fec", "snps,dwmac", "snps,dwmac-4.20a",
    "rockchip,rk3399-gmac",
    // Cryptography.
    "fsl,sec-v4.0",
    // Broadcom's, without a name that others share.
    "brcm,2711-v3d", "brcm,bcm2708-usb", "brcm,bcm2711-emmc2", "brcm,bcm2711-genet-v5",
    "brcm,bcm2711-hvs", "brcm,bcm2711-pcie", "brcm,bcm2835-mbox", "brcm,bcm2835-sdhci",
    "brcm,bcm2835-txp", "brcm,bcm2835-unicam", "brcm,bcm2835-usb", "brcm,bcm2835-v3d",
    "brcm,bcm2835-vchiq",
};

/// Properties that only such devices have.
pub(super) const BUS_MASTER_PROPERTIES: &[&str] = &["#dma-cells", "dma-coherent", "iommus"];

/// What devices of the whole machine can do, by a part of one of their names. The first that fits
/// is reported.
#[rustfmt::skip]
pub(super) const MACHINE_NAMES: &[(&str, &str)] = &[
    ("watchdog", RESET), ("-wdt", RESET), ("gwdt", RESET), (",sp805", RESET), ("-swdt", RESET),
    ("bcm2711-pm", POWER), ("bcm2835-pm", POWER), ("avs-monitor", POWER), ("vexpress-sysreg", POWER),
    ("-gpc", POWER), ("xgene-scu", POWER), ("-rcpm", POWER), ("blk-ctrl", POWER),
    ("pinctrl", PINS), ("iomuxc", PINS), ("pinmux", PINS), ("bcm2711-gpio", PINS), ("bcm2835-gpio", PINS),
    ("cprman", CLOCKS), ("2711-dvp", CLOCKS), ("-anatop", CLOCKS), ("clockgen", CLOCKS),
    ("coresight", DEBUG),
    ("armv7-timer-mem", COUNTER), ("sysctr-timer", COUNTER),
    ("scmi-shmem", FIRMWARE), ("scp-shmem", FIRMWARE), ("smem", FIRMWARE),
    ("smmu", TRANSLATION), ("mmu-40", TRANSLATION), ("mmu-500", TRANSLATION),
    ("arm,cci-", INTERCONNECT), ("arm,ccn-", INTERCONNECT), ("-ddrc", MEMORY), ("pl35", MEMORY),
    ("l1-intc", INTERRUPTS), ("armctrl-ic", INTERRUPTS),
];

/// What devices of the whole machine can do, by a property that they have for those that they
/// serve.
pub(super) const MACHINE_PROPERTIES: &[(&str, &str)] = &[
    ("#clock-cells", CLOCKS),
    ("#reset-cells", "can reset other devices"),
    ("#power-domain-cells", POWER),
    ("#iommu-cells", TRANSLATION),
    ("#mbox-cells", FIRMWARE),
    ("#interconnect-cells", INTERCONNECT),
    ("#hwlock-cells", "holds locks that other CPUs wait for"),
    ("msi-controller", INTERRUPTS),
    ("interrupt-controller", INTERRUPTS),
    ("system-power-controller", POWER),
];

/// The name of registers with bits for several devices.
pub(super) const SYSCON: (&str, &str) = ("syscon", "has registers that concern several devices");

const RESET: &str = "can reset the whole machine";
const POWER: &str = "steers the power of the machine";
const PINS: &str = "steers the pins of other devices";
const CLOCKS: &str = "steers the clocks of other devices";
const DEBUG: &str = "can halt and trace the CPUs of other partitions";
const COUNTER: &str = "steers the counter that all CPUs read";
const FIRMWARE: &str = "sends orders to firmware or to other processors";
const TRANSLATION: &str = "steers the memory accesses of other devices";
const INTERCONNECT: &str = "steers the interconnect of the machine";
const MEMORY: &str = "steers the memory controller";
const INTERRUPTS: &str = "steers the interrupts of other devices";
