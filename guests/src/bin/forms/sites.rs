//! Registers of every device, at which the forms are tried.

use runtime::gic;
use runtime::tree::{Gic, machine};

use crate::instructions::Form;

/// Registers that keep their values, at a multiple of 8.
pub struct Site {
    /// Its name.
    pub name: &'static str,
    /// The address.
    pub address: u64,
    /// Whether the forms may store there.
    pub is_stored: bool,
}

impl Site {
    /// Returns the base with which a form accesses the site.
    pub fn base_of(&self, form: &Form) -> u64 {
        self.address.wrapping_sub(form.before as u64)
    }
}

/// UARTPeriphID0 to UARTPCellID3, at a multiple of 16.
pub const IDENTIFICATION: u64 = 0xfe0;
/// UARTIMSC.
const UART_MASK: u64 = 0x38;
/// GICD_IIDR.
const IIDR: u64 = 0x008;
/// GICR_TYPER, and the identification registers of a redistributor.
const GICR_TYPER: u64 = 0x008;
const GICR_IDENTIFICATION: u64 = 0xffe0;
/// GICC_DIR, which is write-only.
const GICC_DIR: u64 = 0x1000;
/// The distance of a redistributor's frame of private interrupts.
const PRIVATE_FRAME: u64 = 0x1_0000;
/// The watchdog's WOR, W_IIDR and WRR.
const WOR: u64 = 0x008;
const W_IDENTIFICATION: u64 = 0xfe0;
const WRR: u64 = 0x000;

/// Returns the sites of this machine.
pub fn all() -> impl Iterator<Item = Site> {
    let site = |name, address, is_stored| Some(Site { name, address, is_stored });
    let frame = gic::frame(machine().uart_interrupt);
    let private = gic::frame(0);
    let (watchdog, monitor) = (machine().watchdog, machine().monitor);
    let interface = match machine().gic {
        Gic::V2 { cpu_interface, .. } => Some(cpu_interface),
        Gic::V3 { .. } => None,
    };
    let redistributor = interface.is_none().then(|| private - PRIVATE_FRAME);
    let priorities = u64::from(machine().uart_interrupt) & !7;
    [
        site("UARTPeriphID0", machine().uart + IDENTIFICATION, false),
        site("UARTIMSC", machine().uart + UART_MASK, true),
        site("GICD_IIDR", frame + IIDR, false),
        site("GICD_IPRIORITYR", frame + gic::IPRIORITYR + priorities, true),
        site("IPRIORITYR of private interrupts", private + gic::IPRIORITYR, true),
        interface.and_then(|it| site("GICC_DIR", it + GICC_DIR, false)),
        redistributor.and_then(|it| site("GICR_TYPER", it + GICR_TYPER, false)),
        redistributor.and_then(|it| site("GICR_PIDR", it + GICR_IDENTIFICATION, false)),
        watchdog.and_then(|it| site("WOR", it.control + WOR, false)),
        watchdog.and_then(|it| {
            site("W_PIDR of the control frame", it.control + W_IDENTIFICATION, false)
        }),
        watchdog.and_then(|it| site("WRR", it.refresh + WRR, true)),
        monitor.and_then(|it| site("UARTPeriphID0 of the monitor", it + IDENTIFICATION, false)),
        monitor.and_then(|it| site("UARTIMSC of the monitor", it + UART_MASK, true)),
    ]
    .into_iter()
    .flatten()
}
