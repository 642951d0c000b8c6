//! Opens the console, connects the partitions to it, and logs during boot.

use alloc::string::String;
use alloc::vec::Vec;
use bulkhead::boot::machine::{self, RegisterSetting};
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::operator::console::input::Input;
use bulkhead::operator::console::{self as lines, Console, Source};
use bulkhead::util::uart::Transmit;
use bulkhead::vgic::Delivery;
use core::fmt::{self, Write};
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::mmu;
use crate::el2::console::{self, Place, Port, SharedState, shared, uart};
use crate::el2::cpu::{Seat, timer};
use crate::el2::drivers::gic::Gic;
use crate::el2::drivers::uart::{self as driver, emergency};
use crate::el2::partition::Partition;
use crate::el2::vcpu::resident;

/// The time for which an incomplete line, such as a prompt, waits for its end while nothing else is
/// printed, in milliseconds: too short to be noticed.
const PARTIAL_LINE_MS: u64 = 100;
/// The time that a guest has to read its input before further input is dropped, in milliseconds.
const INPUT_TIMEOUT_MS: u64 = 1000;

/// Takes over the UART that the machine's tree names, and makes it the output of the log.
pub fn open(machine: &machine::ConsoleUart) {
    for RegisterSetting { register, mask, value } in &machine.settings {
        let register = mmu::map_device(*register);
        register.write(0, register.read(0) & !mask | value);
    }
    let uart = driver::open(machine.kind, mmu::map_device(machine.registers));
    emergency::init(uart);
    console::set_uart(uart);
    if log::set_logger(&BootLogger).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Makes the partitions' ports, in the order of the Plan, and the console's buffers. `seats` are the
/// places of each partition's vCPUs.
pub fn add_partitions(plans: &[PartitionPlan], seats: &[&'static [Seat]]) -> &'static [Port] {
    let names: Vec<_> = plans.iter().map(|plan| plan.name.as_str()).collect();
    let lines = Console::new(&names, timer::milliseconds(PARTIAL_LINE_MS));
    let input = Input::new(names.len(), timer::milliseconds(INPUT_TIMEOUT_MS));
    let port = |(index, plan): (usize, &PartitionPlan)| {
        let buffers = [lines.buffer(Source::partition(index)), input.buffer(index)];
        Port::new(index, String::from(&*plan.name), buffers, &seats[index][0])
    };
    let ports = plans.iter().enumerate().map(port).collect();
    let ports = console::set_ports(input, lines.buffer(Source::MONITOR), ports);
    shared().lines = Some(lines);
    ports
}

/// Routes the UART's interrupt to the CPU that handles it, and changes the console to its operation
/// while guests run.
///
/// That CPU is the console's (`Plan::console_cpu`), if it has one; otherwise the first CPU of the
/// first partition with trapped delivery, because on such a CPU a guest cannot delay the interrupt;
/// otherwise the first CPU of the first partition.
pub fn go_live(
    gic: &'static Gic,
    machine: &machine::Machine,
    partitions: &[Partition],
    console_cpu: Option<usize>,
) {
    let trapped = partitions.iter().find(|it| it.plan.delivery == Delivery::Trapped);
    let owner = trapped.unwrap_or(&partitions[0]);
    let cpu = console_cpu.unwrap_or(owner.plan.cpus[0]);
    let interrupt = machine.console.as_ref().and_then(|console| console.interrupt);
    if let Some(intid) = interrupt {
        gic.enable_own(intid, cpu);
    }
    let sends_all = console_cpu.is_some();
    let has_interrupt = interrupt.is_some();
    console::go_live(Place { gic, cpu: &resident::all()[cpu].cpu, sends_all, has_interrupt });
}

/// The logger behind the `log` crate's macros, which only boot uses.
struct BootLogger;

impl Log for BootLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        let mut shared = shared();
        let mut output = UnbufferedOutput(&mut shared);
        _ = output.write_fmt(*record.args()).and_then(|()| output.write_str("\n"));
    }

    fn flush(&self) {
        console::flush();
    }
}

/// Output to the UART that waits for room in place of buffering.
struct UnbufferedOutput<'a>(&'a mut SharedState);

impl Write for UnbufferedOutput<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let shared = &mut *self.0;
        console::add_to_log(shared, text.as_bytes());
        let Some(uart) = uart() else { return Ok(()) };
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            if !shared.is_inside_line {
                let prefix = match &shared.lines {
                    Some(lines) => lines.prefix(Source::BULKHEAD),
                    None => lines::OWN_PREFIX,
                };
                uart.send_all(prefix.as_bytes());
            }
            let after = uart.send_line(rest);
            shared.is_inside_line = after.is_none();
            if after.is_some() {
                uart.send_all(b"\r\n");
            }
            rest = after.unwrap_or_default();
        }
        Ok(())
    }
}
