//! Partitions with cards on a link, whose drivers work only when they are told to.

use super::driver::{Driver, Part};
use super::memory::{Memory, START};
use crate::virtio::link::{Counters, Kind, Lane, Memories, Outcome};
use crate::virtio::personality::{RECEIVE, TRANSMIT};
use std::boxed::Box;
use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

/// The size of each memory.
pub const SIZE: usize = 16 << 20;
/// The page of the receive queue's rings.
const RX_PAGE: u64 = 0;
/// The page of the transmit queue's rings.
const TX_PAGE: u64 = 4;
/// The first page of indirect tables.
const TABLES: u64 = 8;
/// The first page of buffers.
const BUFFERS: u64 = 1024;

/// The memories of a link.
pub struct Ports(pub Vec<Memory>);

impl Memories for Ports {
    type View = Memory;
    type Memory = Box<Memory>;
    type Pair = Box<[Memory; 2]>;

    fn open(&self, port: u8) -> Option<Self::Memory> {
        self.0.get(usize::from(port)).cloned().map(Box::new)
    }

    fn open_pair(&self, [first, second]: [u8; 2]) -> Option<Self::Pair> {
        Some(Box::new([*self.open(first)?, *self.open(second)?]))
    }
}

/// A device of a link, with its driver.
pub struct Card {
    pub memory: Memory,
    pub rx: Driver,
    pub tx: Driver,
    /// The parts of the buffers that the device has.
    posted: BTreeMap<u16, Vec<Part>>,
    /// The heads of the chains that were sent, in their order.
    sending: VecDeque<u16>,
    tables: u64,
    buffers: u64,
    /// What was received, one element for each used buffer.
    pub received: VecDeque<Vec<u8>>,
}

impl Card {
    fn new(features: u64, size: u16) -> Self {
        let memory = Memory::new(SIZE);
        Self {
            rx: Driver::new(&memory, RX_PAGE, size, features),
            tx: Driver::new(&memory, TX_PAGE, size, features),
            memory,
            posted: BTreeMap::new(),
            sending: VecDeque::new(),
            tables: 0,
            buffers: 0,
            received: VecDeque::new(),
        }
    }

    /// Returns a place for a buffer. It is used again after 12 MiB of others.
    fn place(&mut self, size: u32) -> u64 {
        let room = SIZE as u64 - BUFFERS * 4096;
        if self.buffers + u64::from(size) > room {
            self.buffers = 0;
        }
        let at = START + BUFFERS * 4096 + self.buffers;
        self.buffers += u64::from(size);
        at
    }

    /// Returns a place for a table of descriptors.
    fn table(&mut self) -> u64 {
        self.tables = (self.tables + 1) % 512;
        START + TABLES * 4096 + self.tables * 4096
    }

    /// Gives the device a buffer to receive into, whose parts have these sizes.
    pub fn post(&mut self, sizes: &[u32], is_indirect: bool) {
        let parts: Vec<_> = sizes.iter().map(|&it| (self.place(it), it, true)).collect();
        let head = if is_indirect {
            let table = self.table();
            self.rx.add_indirect(table, &parts)
        } else {
            self.rx.add(&parts)
        };
        self.posted.insert(head, parts);
    }

    /// Gives the device bytes to send, in parts of at most `size` bytes after a first one.
    pub fn send(&mut self, bytes: &[u8], first: usize, size: usize, is_indirect: bool) {
        let (first, rest) = bytes.split_at(first.min(bytes.len()));
        let pieces = [first].into_iter().chain(rest.chunks(size)).filter(|it| !it.is_empty());
        let mut parts = Vec::new();
        for piece in pieces {
            let at = self.place(piece.len() as u32);
            self.memory.set(at, piece);
            parts.push((at, piece.len() as u32, false));
        }
        let head = if is_indirect {
            let table = self.table();
            self.tx.add_indirect(table, &parts)
        } else {
            self.tx.add(&parts)
        };
        self.sending.push_back(head);
    }

    /// Takes what the device has used, and asks for an interrupt, as a driver does when it was
    /// interrupted.
    pub fn interrupt(&mut self) {
        loop {
            while let Some((head, written)) = self.tx.take() {
                assert_eq!(Some(head), self.sending.pop_front(), "used in the order of sending");
                assert_eq!(written, 0);
            }
            while let Some((head, written)) = self.rx.take() {
                let parts = self.posted.remove(&head).unwrap();
                let (mut left, mut bytes) = (written as usize, Vec::new());
                for (at, size, _) in parts {
                    let piece = left.min(size as usize);
                    bytes.extend(self.memory.get(at, piece));
                    left -= piece;
                }
                assert_eq!(left, 0, "more was used than there is");
                self.received.push_back(bytes);
            }
            let is_late = [self.tx.ask_for_interrupt(), self.rx.ask_for_interrupt()];
            if is_late == [false, false] {
                break;
            }
        }
    }

    /// Returns the number of chains that the device has not sent.
    pub fn unsent(&self) -> usize {
        self.sending.len()
    }
}

/// A link, and what is connected with it.
pub struct Machine {
    pub ports: Ports,
    pub cards: Vec<Card>,
    pub lanes: Vec<Lane>,
    /// The ports whose devices need a reset.
    pub broken: u64,
    /// The number of calls.
    pub calls: u64,
}

impl Machine {
    /// Creates a link between ports with these addresses and features, all of them ready.
    pub fn new(kind: Kind, ports: &[(u64, u64)], size: u16) -> Self {
        let cards: Vec<_> = ports.iter().map(|it| Card::new(it.1, size)).collect();
        let addresses: Vec<_> = ports.iter().map(|it| it.0).collect();
        let memories = cards.iter().map(|it| it.memory.clone()).collect();
        let lanes = Lane::of_link(kind, &addresses);
        let mut machine = Self { ports: Ports(memories), cards, lanes, broken: 0, calls: 0 };
        for port in 0..ports.len() {
            machine.attach(port);
        }
        machine
    }

    /// Connects a port's queues.
    pub fn attach(&mut self, port: usize) {
        let card = &mut self.cards[port];
        // As a driver that has just begun: it wants the first interrupt.
        let queues = [card.rx.setup, card.tx.setup, Default::default()];
        for lane in &mut self.lanes {
            // A lane does not use the queues of a driver that has set them up wrongly.
            _ = lane.attach(port as u8, &queues, card.rx.features, &card.memory);
        }
    }

    /// Has a port's driver begin anew, with new memory.
    pub fn restart(&mut self, port: usize) {
        let Driver { setup, features, .. } = self.cards[port].rx;
        self.cards[port] = Card::new(features, setup.size);
        self.ports.0[port] = self.cards[port].memory.clone();
        self.attach(port);
    }

    /// Runs the lanes that a notification concerns, until there is no more to do, and interrupts.
    pub fn notify(&mut self, port: usize, queue: u16) {
        for index in 0..self.lanes.len() {
            let mut senders = self.lanes[index].concerned(port as u8, queue);
            let mut calls = 0;
            while senders != 0 {
                let outcome = self.lanes[index].run(senders, &self.ports);
                self.interrupt(outcome);
                senders = outcome.more;
                calls += 1;
                assert!(calls < 10_000, "it makes no progress");
            }
            self.calls += calls;
        }
    }

    fn interrupt(&mut self, outcome: Outcome) {
        self.broken |= outcome.broken;
        for (port, card) in self.cards.iter_mut().enumerate() {
            if outcome.signal >> port & 1 != 0 {
                card.interrupt();
            }
        }
    }

    /// Returns what is counted for a port.
    pub fn counters(&self, port: u8) -> Counters {
        self.lanes.iter().find_map(|lane| lane.counters(port)).expect("each port sends").read()
    }

    /// Notifies as the drivers of a port must.
    pub fn notify_if_needed(&mut self, port: usize) {
        for queue in [RECEIVE, TRANSMIT] {
            let card = &mut self.cards[port];
            let driver = if queue == RECEIVE { &mut card.rx } else { &mut card.tx };
            if driver.must_notify() {
                self.notify(port, queue);
            }
        }
    }
}
