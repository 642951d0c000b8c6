//! The UART that `/chosen/stdout-path` names.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::uarts::{BOARDS, Block, BoardUart, MODELS, Value};
use super::{ConsoleKind, ConsoleUart, RegisterSetting};
use crate::arch::addr::{Pa, Region};
use crate::boot::fdt::Tree;

impl ConsoleUart {
    /// Reads the UART of `/chosen/stdout-path`, which may end with `:` and line settings, as in
    /// `serial0:115200n8`. Returns `None` if the tree names none.
    ///
    /// This reads nothing else of the tree, so that errors in the rest can be printed.
    ///
    /// # Errors
    ///
    /// Why the UART cannot be used, as a sentence without a full stop.
    pub fn read(tree: &Tree<'_>) -> Result<Option<Self>, String> {
        let Some(stdout) = tree.node("/chosen").and_then(|chosen| chosen.string("stdout-path"))
        else {
            return Ok(None);
        };
        let (path, options) = stdout.split_once(':').unwrap_or((stdout, ""));
        let refused = |why| Err(format!("no console: stdout-path, `{stdout}`, {why}"));
        let Some(node) = tree.node(path) else {
            return refused("does not exist");
        };
        let Some(model) = MODELS.iter().find(|model| node.is_compatible(model.compatible)) else {
            return refused("is no UART that Bulkhead has a driver for");
        };
        let is_word = |name, size| node.property(name).and_then(|it| it.u32()) == Some(size);
        // A 16550 may have its registers at other distances (binding `snps,dw-apb-uart`).
        if model.kind == ConsoleKind::DesignWare
            && !(is_word("reg-shift", 2) && is_word("reg-io-width", 4))
        {
            return refused("needs reg-shift = <2> and reg-io-width = <4>");
        }
        let Some(registers) = node.regions().ok().and_then(|all| all.first().copied()) else {
            return refused("has no registers");
        };
        let interrupts = node.interrupts().unwrap_or_default();
        Ok(Some(Self {
            path: node.path(),
            kind: model.kind,
            registers,
            interrupt: interrupts.first().map(|interrupt| interrupt.intid),
            settings: settings(tree, model.kind, registers, options).unwrap_or_default(),
        }))
    }
}

/// Returns the settings that switch a UART on, with the baud rate that `options` begin with; `None`
/// if firmware has switched it on or the board is incomplete.
fn settings(
    tree: &Tree<'_>,
    kind: ConsoleKind,
    uart: Region<Pa>,
    options: &str,
) -> Option<Vec<RegisterSetting>> {
    let is_on_board = |row: &&BoardUart| {
        row.kind == kind
            && uart.start().is_aligned(row.alignment)
            && tree.root().is_compatible(row.board)
    };
    let row = BOARDS.iter().find(is_on_board)?;
    let pins = tree.nodes().find(|node| node.is_compatible(row.pin_controller))?;
    let pins = *pins.regions().ok()?.first()?;
    let baud = options.split(|it: char| !it.is_ascii_digit()).next()?.parse();
    let baud = baud.ok().filter(|baud| pl011_bauds(row.clock).contains(baud));
    let divisor = pl011_divisor(row.clock, baud.unwrap_or(row.default_baud));
    let settings = row.steps.iter().map(|step| {
        let block = match step.block {
            Block::Uart => uart,
            Block::PinController => pins,
        };
        let value = match step.value {
            Value::Fixed(value) => value,
            Value::Pl011IntegerDivisor => divisor >> 6,
            Value::Pl011FractionalDivisor => divisor & 0x3f,
        };
        let register = block.part(step.offset, 4)?;
        Some(RegisterSetting { register, mask: step.mask, value })
    });
    settings.collect()
}

/// Returns the baud rates that a PL011 can divide its clock down to: the divisor is from 1 to
/// 65535 (DDI 0183, 3.3.6).
fn pl011_bauds(clock: u32) -> RangeInclusive<u32> {
    clock / 16 / 0xffff + 1..=clock / 16
}

/// Returns a PL011's baud rate divisor in 64ths: the clock's 16th through the baud rate, rounded.
/// `baud` is one of [`pl011_bauds`].
fn pl011_divisor(clock: u32, baud: u32) -> u32 {
    (4 * clock + baud / 2) / baud
}
