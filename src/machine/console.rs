//! The UART that the firmware's tree names for the console.

use alloc::format;
use alloc::string::String;

use super::{Console, ConsoleKind};
use crate::fdt::Tree;

/// The UARTs that there are drivers for.
const UARTS: [(&str, ConsoleKind); 2] =
    [("arm,pl011", ConsoleKind::Pl011), ("brcm,bcm2835-aux-uart", ConsoleKind::MiniUart)];

impl Console {
    /// Reads the UART of `/chosen/stdout-path`, which may go on with `:` and line settings.
    /// `None` if the tree names none.
    ///
    /// This needs nothing else of the machine, so that what is wrong there can be told.
    ///
    /// # Errors
    ///
    /// Why the UART that it names cannot be used, as a sentence without its full stop.
    pub fn read(tree: &Tree<'_>) -> Result<Option<Self>, String> {
        let Some(stdout) = tree.node("/chosen").and_then(|chosen| chosen.string("stdout-path"))
        else {
            return Ok(None);
        };
        let path = stdout.split(':').next().unwrap_or_default();
        let refused = |why| Err(format!("no console: stdout-path, `{stdout}`, {why}"));
        let Some(node) = tree.node(path) else {
            return refused("does not exist");
        };
        let known = UARTS.iter().find(|(name, _)| node.is_compatible(name));
        let Some((_, kind)) = known else {
            return refused("is no UART that Bulkhead has a driver for");
        };
        let Some(registers) = node.regions().ok().and_then(|all| all.first().copied()) else {
            return refused("has no registers");
        };
        let interrupts = node.interrupts().unwrap_or_default();
        Ok(Some(Self {
            path: node.path(),
            kind: *kind,
            registers,
            interrupt: interrupts.first().map(|interrupt| interrupt.intid),
        }))
    }
}
