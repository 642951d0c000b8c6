//! The machine's watchdogs, which firmware may have left running.
//!
//! A watchdog is read only where that cannot hang the bus: if its clocks are fixed ones or it needs
//! none. Other clocks may be off.
//!
//! | model | register and bits that show that it runs |
//! |---|---|
//! | SP805 (DDI 0270, 3.3.3) | WdogControl.INTEN, which starts the counter |
//! | SBSA generic watchdog (DEN0029) | WCS.EN in the control frame |
//! | BCM2835 power management | PM_RSTC.WRCFG is "full reset" |
//! | DesignWare | WDT_CR.WDT_EN |
//! | Cadence (UG1085) | ZMR.WDEN |

use alloc::format;
use alloc::string::String;

use crate::arch::addr::{Pa, Region};
use crate::boot::fdt::{Node, Tree};
use crate::mm::tables::INPUT_BITS;

/// A model of watchdog.
struct WatchdogModel {
    /// A `compatible` of its node.
    compatible: &'static str,
    /// The offset of the register in its first region, in bytes.
    register: u64,
    /// The bits of the register.
    mask: u32,
    /// Their value while it runs.
    running: u32,
    /// Whether the register can be read whatever clocks its node refers to.
    is_always_clocked: bool,
}

#[rustfmt::skip]
const MODELS: [WatchdogModel; 6] = [
    model("arm,sp805", 0x08, 1, 1, false),
    model("arm,sbsa-gwdt", 0x00, 1, 1, true),
    // Its clocks are those of the blocks whose power it manages.
    model("brcm,bcm2835-pm", 0x1c, 0x30, 0x20, true),
    model("brcm,bcm2835-pm-wdt", 0x1c, 0x30, 0x20, true),
    model("snps,dw-wdt", 0x00, 1, 1, false),
    model("cdns,wdt-r1p2", 0x00, 1, 1, false),
];

const fn model(
    compatible: &'static str,
    register: u64,
    mask: u32,
    running: u32,
    is_always_clocked: bool,
) -> WatchdogModel {
    WatchdogModel { compatible, register, mask, running, is_always_clocked }
}

/// A watchdog whose state can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardWatchdog {
    /// The path of its node.
    path: String,
    /// The 32-bit register that shows whether it runs.
    pub register: Region<Pa>,
    mask: u32,
    running: u32,
}

impl BoardWatchdog {
    /// Returns whether `name` is the `compatible` of a watchdog.
    pub(super) fn is_model(name: &str) -> bool {
        MODELS.iter().any(|model| model.compatible == name)
    }

    /// Reads the watchdog of `node`; `None` if reading its register could hang or abort.
    pub(super) fn read(tree: &Tree<'_>, node: Node<'_, '_>) -> Option<Self> {
        let model = MODELS.iter().find(|model| node.is_compatible(model.compatible))?;
        if !model.is_always_clocked && !has_fixed_clocks(tree, node) {
            return None;
        }
        let register = node.regions().ok()?.first()?.part(model.register, 4)?;
        let can_be_read = register.start().is_aligned(4) && register.end().get() <= 1 << INPUT_BITS;
        can_be_read.then(|| Self {
            path: node.path(),
            register,
            mask: model.mask,
            running: model.running,
        })
    }

    /// Returns the remark about a watchdog whose register has this value, if it runs.
    pub fn remark(&self, value: u32) -> Option<String> {
        let Self { path, mask, running, .. } = self;
        (value & mask == *running).then(|| {
            format!(
                "{path} runs and will reset the machine: have the boot loader stop it, or give \
                 it to a partition that serves it"
            )
        })
    }
}

/// Returns whether all clocks that a node refers to are fixed ones, which cannot be off.
fn has_fixed_clocks(tree: &Tree<'_>, node: Node<'_, '_>) -> bool {
    let Some(clocks) = node.property("clocks") else { return true };
    let is_fixed =
        |phandle| tree.by_phandle(phandle).is_some_and(|clock| clock.is_compatible("fixed-clock"));
    clocks.cells().is_some_and(|mut phandles| phandles.all(is_fixed))
}
