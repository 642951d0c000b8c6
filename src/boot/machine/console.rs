//! The UART that `/chosen/stdout-path` names.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::uarts::{BOARDS, Block, BoardUart, MODELS, Value};
use super::{ConsoleKind, ConsoleUart, RegisterSetting};
use crate::arch::addr::{Pa, Region};
use crate::boot::fdt::{Node, Tree};
use crate::util::uart::Spacing;

impl ConsoleUart {
    /// Reads the UART of `/chosen/stdout-path`, which may end with `:` and line settings, as in
    /// `serial0:115200n8`, or without one that of the alias `serial0`. Returns `None` if the tree
    /// names none.
    ///
    /// This reads nothing else of the tree, so that errors in the rest can be printed.
    ///
    /// # Errors
    ///
    /// Why the UART cannot be used, as a sentence without a full stop.
    pub fn read(tree: &Tree<'_>) -> Result<Option<Self>, String> {
        let string = |path, name| tree.node(path).and_then(|node| node.string(name));
        let named = string("/chosen", "stdout-path");
        let is_alias = named.is_none();
        let Some(stdout) = named.or_else(|| string("/aliases", "serial0")) else {
            return Ok(None);
        };
        let (path, options) = stdout.split_once(':').unwrap_or((stdout, ""));
        let source = if is_alias { "the alias serial0" } else { "stdout-path" };
        let refused = |why| Err(format!("no console: {source}, `{stdout}`, {why}"));
        let Some(node) = tree.node(path) else {
            return refused("does not exist");
        };
        if is_alias && !node.is_available() {
            return refused("is disabled");
        }
        let Some((_, kind)) = MODELS.iter().find(|(name, _)| node.is_compatible(name)) else {
            return refused("is no UART that Bulkhead has a driver for");
        };
        let Some(kind) = spaced(node, *kind) else {
            return refused("needs a reg-shift from 0 to 4, and a reg-io-width that fits it");
        };
        let Some(registers) = node.regions().ok().and_then(|all| all.first().copied()) else {
            return refused("has no registers");
        };
        let model = kind.model();
        if registers.size() < model.size() || !registers.start().is_aligned(4) {
            return refused("has too small or misaligned registers");
        }
        let interrupts = node.interrupts().unwrap_or_default();
        let interrupt = interrupts.first().filter(|_| model.has_interrupts());
        Ok(Some(Self {
            path: node.path(),
            kind,
            registers,
            interrupt: interrupt.map(|interrupt| interrupt.intid),
            settings: settings(tree, kind, registers, options).unwrap_or_default(),
        }))
    }
}

/// Returns the kind of a UART's node, with the distance and the width of its registers that the
/// node gives; `None` if they do not fit each other.
fn spaced(node: Node<'_, '_>, kind: ConsoleKind) -> Option<ConsoleKind> {
    let number = |name, default| match node.property(name) {
        None => Some(default),
        Some(property) => property.u32(),
    };
    let spaced = |default: Spacing| {
        let shift = number("reg-shift", default.shift())?;
        Spacing::new(shift, number("reg-io-width", default.width().bytes() as u32)?)
    };
    Some(match kind {
        ConsoleKind::Ns16550(default) => ConsoleKind::Ns16550(spaced(default)?),
        ConsoleKind::DesignWare(default) => ConsoleKind::DesignWare(spaced(default)?),
        _ => kind,
    })
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
