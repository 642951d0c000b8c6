//! A simulated system, and tests of what the monitor does with it.

mod answers;
mod editing;

use std::cell::Cell;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::arch::addr::Ipa;
use crate::arch::mpidr::Mpidr;
use crate::boot::plan::PartitionPlan;
use crate::boot::plan::Plan;
use crate::boot::plan::tests::{Cells, Nothing, Text, gic_v3, machine, partition, plan_on, system};
use crate::operator::console::Log;
use crate::partition::lifecycle::{End, Refusal, Stage};
use crate::trap::fault::{AccessKind, Fault, FaultAddress, FaultKind};
use crate::trap::stats::{Cause, CopiedBytes, Counters, Counts};

/// Three partitions: `linux` is running, `lk` has crashed, `7` is stopped.
struct Fake {
    plan: Plan,
    log: Log,
    counters: [Counters; 3],
    /// The bytes that each partition has copied, if there are links.
    links: Option<CopiedBytes>,
    now: Cell<u64>,
    orders: Vec<(usize, Order)>,
    attached: Option<usize>,
    off: bool,
}

impl Fake {
    fn new() -> Self {
        let linux = partition("linux")
            .with("cpus", Cells(&[2]))
            .with("memory", Cells(&[0, 0x2000_0000]))
            .with("devices", Text(&["rtc0", "/pl061@9030000"]))
            .with("on-crash", Text(&["restart"]))
            .with("max-restarts", Cells(&[3]))
            .with("watchdog-ms", Cells(&[5000]))
            .with("monitor", Nothing);
        let small = partition("lk").with("memory", Cells(&[0, 0x10_1000]));
        let plan = plan_on(&machine(gic_v3()), &system([linux, small, partition("7")])).unwrap();
        Self {
            plan,
            log: Log::new(),
            counters: Default::default(),
            links: None,
            now: Cell::new(2000),
            orders: Vec::new(),
            attached: None,
            off: false,
        }
    }

    fn count(&self, partition: usize, cause: Cause, times: usize) {
        (0..times).for_each(|_| self.counters[partition].count(cause));
    }
}

impl System for Fake {
    fn partitions(&self) -> usize {
        self.plan.partitions.len()
    }

    fn plan(&self, partition: usize) -> &PartitionPlan {
        &self.plan.partitions[partition]
    }

    fn status(&self, partition: usize) -> Status {
        let running = Status {
            stage: Stage::Running,
            restarts: 0,
            uptime: Some(self.now.get() - 500),
            last_end: None,
            last_fault: None,
            dma_faults: 0,
        };
        let place = FaultAddress::Outside(Ipa::new(0x3fff_fff8));
        let fault = Fault {
            kind: FaultKind::Access(AccessKind::Store, place),
            vcpu: 0,
            pc: 0xffff_8000_1234_5678,
            syndrome: 0x93c0_8047,
        };
        let end = End::SError { syndrome: 0xffff_ffff_be00_0000, pc: 0xffff_8000_1234_5678 };
        let ended =
            Status { restarts: 3, uptime: None, last_fault: Some(fault), dma_faults: 7, ..running };
        match partition {
            0 => running,
            1 => Status { stage: Stage::Crashed, last_end: Some(end), ..ended },
            _ => Status { stage: Stage::Stopped, last_end: Some(End::Off), ..ended },
        }
    }

    fn counts(&self, partition: usize) -> Counts {
        let mut counts = Counts::default();
        counts.add(&self.counters[partition]);
        if let Some(links) = &self.links {
            counts.add_copied(links);
        }
        counts
    }

    fn has_links(&self) -> bool {
        self.links.is_some()
    }

    /// Two links: a network of all three partitions, and a console between the first two.
    fn port(&self, link: usize, port: usize) -> Option<PortStatus<'_>> {
        self.links.as_ref()?;
        let names: Vec<_> = self.plan.partitions.iter().map(|it| it.name.as_str()).collect();
        let lan = PortStatus {
            link: "lan",
            kind: "network",
            partition: names[0],
            state: PortState::Up,
            packets: 1_234_567,
            bytes: 9_876_543_210_987,
            drops: 0,
            is_last: false,
        };
        let idle = PortStatus { packets: 0, bytes: 0, ..lan };
        let serial = PortStatus { link: "serial-of-linux", kind: "console", ..idle };
        let rows = [
            &[
                lan,
                PortStatus { partition: names[1], state: PortState::Faulty, drops: 17, ..lan },
                PortStatus { partition: names[2], state: PortState::Absent, is_last: true, ..idle },
            ][..],
            &[
                PortStatus { state: PortState::Down, ..serial },
                PortStatus { partition: names[1], drops: 12_345_678, is_last: true, ..serial },
            ],
        ];
        rows.get(link)?.get(port).copied()
    }

    fn affinity(&self, cpu: usize) -> Mpidr {
        Mpidr::new(0x100 + cpu as u64)
    }

    fn milliseconds(&self) -> u64 {
        self.now.get()
    }

    fn read_log(&self, position: u64, into: &mut [u8]) -> Option<(usize, u64)> {
        self.log.read(position, into)
    }

    fn order(&mut self, partition: usize, order: Order) -> Result<(), Refusal> {
        let running = self.status(partition).stage == Stage::Running;
        match (running, order) {
            (true, Order::Start) => Err(Refusal::IsRunning),
            (false, Order::Stop) => Err(Refusal::IsStopped),
            _ => {
                self.orders.push((partition, order));
                Ok(())
            }
        }
    }

    fn attach(&mut self, partition: usize) -> Result<(), &'static str> {
        if partition == 2 {
            return Err("it has no console");
        }
        self.attached = Some(partition);
        Ok(())
    }

    fn power_off(&mut self) {
        self.off = true;
    }
}

/// Returns a sink that takes everything.
fn to(shown: &mut Vec<u8>) -> impl FnMut(&[u8]) -> usize {
    some(usize::MAX, shown)
}

/// Returns a sink that takes this many bytes.
fn some(count: usize, shown: &mut Vec<u8>) -> impl FnMut(&[u8]) -> usize {
    let mut left = count;
    move |bytes| {
        let taken = left.min(bytes.len());
        left -= taken;
        shown.extend(&bytes[..taken]);
        taken
    }
}

impl Terminal {
    /// Does everything that there is to do while the sink has room.
    fn run(&mut self, system: &mut dyn System, sink: &mut dyn FnMut(&[u8]) -> usize) {
        while self.advance(system, sink) {}
    }
}

/// Types `keys`, and returns everything that comes out.
fn talk(terminal: &mut Terminal, system: &mut Fake, keys: &[u8]) -> String {
    let mut shown = Vec::new();
    for key in keys {
        while terminal.input(*key).is_err() {
            terminal.run(system, &mut to(&mut shown));
        }
    }
    terminal.run(system, &mut to(&mut shown));
    String::from_utf8(shown).expect("all that is shown is text")
}

/// Returns the answer to a program.
fn ask(system: &mut Fake, line: &str) -> String {
    let mut terminal = Terminal::new(Peer::Program, system.partitions());
    talk(&mut terminal, system, &[line.as_bytes(), b"\n"].concat())
}
