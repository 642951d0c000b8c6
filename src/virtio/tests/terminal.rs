//! A console by virtio whose other end is Bulkhead's own: output, input, room, interrupts.

use super::driver::Driver;
use super::hostile::{attack, write};
use super::memory::{Memory, START};
use crate::virtio::memory::Sink;
use crate::virtio::terminal::{Line, Terminal, TerminalOutcome};
use crate::virtio::{EVENT_IDX, Fault, INDIRECT_DESC, TERMINAL_QUEUE_SIZE, VERSION_1};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

const ALL: u64 = EVENT_IDX | INDIRECT_DESC | VERSION_1;
/// Where buffers and a table of descriptors are.
const BUFFERS: u64 = START + 0x2_0000;
const TABLE: u64 = START + 0x1_0000;
/// The accesses of one call at most: for each of 32 descriptors and bytes of input, and for each of
/// the chains of a call, a few to the rings, and one for each byte of output.
const MOST_ACCESSES: u64 = 1000;

/// The console at the other end.
#[derive(Default)]
struct Console {
    output: Vec<u8>,
    room: usize,
    has_ended: bool,
    input: VecDeque<u8>,
}

impl Sink for Console {
    fn put(&mut self, byte: u8) {
        self.room = self.room.checked_sub(1).expect("there is room");
        self.has_ended |= byte == b'\n';
        self.output.push(byte);
    }

    fn put_word(&mut self, word: u64) {
        word.to_le_bytes().into_iter().for_each(|byte| self.put(byte));
    }
}

impl Line for Console {
    fn room(&self) -> usize {
        self.room
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    fn take(&mut self) -> Option<u8> {
        self.input.pop_front()
    }
}

/// A console with its driver.
struct Machine {
    memory: Memory,
    rx: Driver,
    tx: Driver,
    terminal: Terminal,
    console: Console,
    /// Where the next buffer is.
    next: u64,
}

impl Machine {
    fn new(features: u64) -> Self {
        let memory = Memory::new(1 << 20);
        let driver = |page| Driver::new(&memory, page, TERMINAL_QUEUE_SIZE, features);
        let (rx, tx) = (driver(0), driver(4));
        let mut terminal = Terminal::default();
        let queues = [rx.queue().unwrap(), tx.queue().unwrap()];
        assert_eq!(terminal.attach(Some(queues)), Ok(()));
        let console = Console { room: usize::MAX, ..Console::default() };
        Self { memory, rx, tx, terminal, console, next: BUFFERS }
    }

    /// Makes bytes available for transmission, in parts of these sizes.
    fn send(&mut self, bytes: &[u8], sizes: &[usize], is_indirect: bool) {
        let (mut rest, mut parts) = (bytes, Vec::new());
        for size in sizes {
            let (part, others) = rest.split_at((*size).min(rest.len()));
            self.memory.set(self.next, part);
            parts.push((self.next, part.len() as u32, false));
            self.next = BUFFERS + (self.next + part.len() as u64 - BUFFERS) % 0x8_0000;
            rest = others;
        }
        assert!(rest.is_empty(), "the parts have room");
        match is_indirect {
            true => self.tx.add_indirect(TABLE, &parts),
            false => self.tx.add(&parts),
        };
    }

    fn run(&mut self, is_due: bool) -> TerminalOutcome {
        self.memory.accesses.set(0);
        self.console.has_ended = false;
        let outcome = self.terminal.run(&self.memory, &mut self.console, is_due);
        assert!(self.memory.accesses.get() <= MOST_ACCESSES, "{}", self.memory.accesses.get());
        outcome
    }

    /// Runs until there is no more to do, and returns the last outcome.
    fn run_all(&mut self) -> TerminalOutcome {
        loop {
            let outcome = self.run(false);
            if !outcome.more {
                return outcome;
            }
        }
    }
}

#[test]
fn a_line_in_two_buffers_interrupts_once_when_it_ends() {
    let mut machine = Machine::new(ALL);
    machine.send(b"a line", &[6], false);
    let owed = TerminalOutcome { owes_signal: true, ..TerminalOutcome::default() };
    assert_eq!(machine.run(false), owed);
    assert!(machine.tx.take().is_some(), "the buffer is the driver's again at once");
    machine.tx.ask_for_interrupt();
    machine.send(b"\r\n", &[2], false);
    let signal = TerminalOutcome { signal: true, ..TerminalOutcome::default() };
    assert_eq!(machine.run(false), signal);
    assert_eq!(machine.run(true), TerminalOutcome::default());
    assert_eq!(machine.console.output, b"a line\r\n");
}

#[test]
fn a_prompt_interrupts_when_that_is_due() {
    let mut machine = Machine::new(VERSION_1);
    machine.send(b"# ", &[2], false);
    assert!(machine.run(false).owes_signal);
    assert!(machine.run(false).owes_signal);
    assert_eq!(machine.run(true), TerminalOutcome { signal: true, ..TerminalOutcome::default() });
}

#[test]
fn output_waits_in_its_buffer_until_there_is_room() {
    let mut machine = Machine::new(ALL);
    machine.console.room = 10;
    machine.send(b"0123456789abcdef", &[3, 0, 13], true);
    assert_eq!(machine.run(false), TerminalOutcome { is_full: true, ..TerminalOutcome::default() });
    assert_eq!((machine.tx.take(), machine.run(true).is_full), (None, true));
    machine.console.room = 100;
    let outcome = machine.run(false);
    assert!(!outcome.is_full && outcome.owes_signal && machine.tx.take().is_some());
    assert_eq!(machine.console.output, b"0123456789abcdef");
}

#[test]
fn a_long_buffer_takes_several_calls() {
    let mut machine = Machine::new(ALL);
    let text: Vec<u8> = (0..3000).map(|it| b' ' + (it % 90) as u8).collect();
    machine.send(&text, &[3000], false);
    let mut calls = 1;
    while machine.run(false).more {
        calls += 1;
    }
    assert!((10..20).contains(&calls), "{calls} calls");
    assert_eq!(machine.console.output, text);
}

#[test]
fn input_waits_for_buffers_of_which_the_driver_then_notifies() {
    let mut machine = Machine::new(ALL);
    machine.console.input.extend(b"hello");
    assert_eq!(machine.run(false), TerminalOutcome::default());
    assert_eq!(machine.console.input.len(), 5);
    machine.rx.add(&[(BUFFERS, 2, true), (BUFFERS + 0x100, 1, true)]);
    assert!(machine.rx.must_notify());
    assert_eq!(machine.run(false), TerminalOutcome { signal: true, ..TerminalOutcome::default() });
    assert_eq!(machine.rx.take().map(|it| it.1), Some(3));
    assert_eq!(machine.memory.get(BUFFERS, 2), b"he");
    assert_eq!(machine.memory.get(BUFFERS + 0x100, 1), b"l");
    machine.rx.add(&[(BUFFERS, 64, true)]);
    assert!(machine.rx.must_notify(), "the device waits for it");
    machine.run(false);
    assert_eq!(machine.rx.take().map(|it| it.1), Some(2));
    // More than fits in a call.
    machine.console.input.extend([b'x'; 100]);
    (0..8).for_each(|_| _ = machine.rx.add(&[(BUFFERS, 64, true)]));
    assert!(machine.run(false).more);
    assert!(!machine.run_all().more);
    let received = std::iter::from_fn(|| machine.rx.take()).map(|it| it.1).sum::<u32>();
    assert_eq!(received, 100);
}

#[test]
fn mistakes_of_a_driver_are_found_and_end_the_use_of_its_queues() {
    type Mistake = fn(&mut Machine);
    let faults: [(Fault, Mistake); 5] = [
        (Fault::Direction, |it| _ = it.tx.add(&[(BUFFERS, 4, true)])),
        (Fault::Outside, |it| _ = it.tx.add(&[(START - 4, 8, false)])),
        (Fault::Direction, |it| {
            it.console.input.push_back(b'x');
            it.rx.add(&[(BUFFERS, 4, false)]);
        }),
        (Fault::BufferLength, |it| {
            it.console.input.push_back(b'x');
            it.rx.add(&[(BUFFERS, 0, true)]);
        }),
        (Fault::AvailableIndex, |it| it.memory.set(it.tx.available_at(2), &[33, 0])),
    ];
    for (fault, make) in faults {
        let mut machine = Machine::new(ALL);
        make(&mut machine);
        assert_eq!(machine.run(false).fault, Some(fault));
        machine.send(b"more", &[4], false);
        assert_eq!(machine.run(true), TerminalOutcome::default());
        assert!(machine.console.output.is_empty());
    }
    let large =
        Driver::new(&Memory::new(1 << 20), 0, 2 * TERMINAL_QUEUE_SIZE, ALL).queue().unwrap();
    assert_eq!(Terminal::default().attach(Some([large, large])), Err(Fault::Setup));
}

/// What a driver or the console does.
#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>, usize, bool),
    MakeRoom(usize),
    Type(u8),
    Post(u32),
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    let byte = prop_oneof![8 => b' '..b'~', 1 => Just(b'\n'), 1 => any::<u8>()];
    prop_oneof![
        4 => (prop::collection::vec(byte, 1..200), 1..5_usize, any::<bool>())
            .prop_map(|(bytes, parts, is_indirect)| Step::Send(bytes, parts, is_indirect)),
        4 => (0..400_usize).prop_map(Step::MakeRoom),
        2 => any::<u8>().prop_map(Step::Type),
        2 => (1..80_u32).prop_map(Step::Post),
        2 => Just(Step::Take),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..Default::default() })]

    /// Nothing is lost, doubled or changed, in either direction, and a driver that only acts when it
    /// is told to gets all.
    #[test]
    fn all_bytes_arrive_in_their_order(
        features in (0..4_u64).prop_map(|it| VERSION_1 | it << 28),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut machine = Machine::new(features);
        machine.console.room = 0;
        let (mut sent, mut typed, mut received) = (Vec::new(), Vec::new(), Vec::new());
        let mut posted = VecDeque::new();
        let is_indirect_known = features & INDIRECT_DESC != 0;
        let mut take = |machine: &mut Machine, posted: &mut VecDeque<(u16, u64)>| {
            while machine.tx.take().is_some() {}
            while let Some((head, written)) = machine.rx.take() {
                let (posted_head, at) = posted.pop_front().expect("it was posted");
                assert_eq!(head, posted_head);
                received.extend(machine.memory.get(at, written as usize));
            }
            let late = [machine.tx.ask_for_interrupt(), machine.rx.ask_for_interrupt()];
            assert_eq!(late, [false; 2]);
        };
        for step in steps {
            match step {
                Step::Send(bytes, parts, is_indirect) => {
                    let is_indirect = is_indirect && is_indirect_known;
                    if machine.tx.room() < 5 || is_indirect && machine.tx.room() < 32 {
                        // There is one table.
                        continue;
                    }
                    let mut sizes = vec![bytes.len() / parts; parts];
                    sizes[0] += bytes.len() % parts;
                    machine.send(&bytes, &sizes, is_indirect);
                    sent.extend(bytes);
                    if machine.tx.must_notify() {
                        machine.run_all();
                    }
                }
                Step::MakeRoom(room) => {
                    machine.console.room += room;
                    machine.run_all();
                }
                Step::Type(byte) => {
                    typed.push(byte);
                    machine.console.input.push_back(byte);
                    machine.run_all();
                }
                Step::Post(size) if machine.rx.room() > 0 => {
                    let at = machine.next;
                    machine.next = BUFFERS + (at + u64::from(size) - BUFFERS) % 0x8_0000;
                    posted.push_back((machine.rx.add(&[(at, size, true)]), at));
                    if machine.rx.must_notify() {
                        machine.run_all();
                    }
                }
                Step::Post(_) => {}
                Step::Take => take(&mut machine, &mut posted),
            }
            prop_assert!(sent.starts_with(&machine.console.output));
        }
        take(&mut machine, &mut posted);
        machine.console.room = usize::MAX;
        while machine.rx.room() > 0 {
            let head = machine.rx.add(&[(START + 0xf_0000, 80, true)]);
            posted.push_back((head, START + 0xf_0000));
        }
        machine.run_all();
        // The last buffers are one, so only their number is known.
        let left = typed.len() - received.len();
        let late: u32 = std::iter::from_fn(|| machine.rx.take()).map(|it| it.1).sum();
        prop_assert!(typed.starts_with(&received));
        prop_assert_eq!((late as usize, machine.console.output), (left, sent));
    }

    #[test]
    fn a_hostile_driver_takes_a_bounded_time_and_reaches_only_its_memory(
        features in (0..4_u64).prop_map(|it| VERSION_1 | it << 28),
        attacks in prop::collection::vec(attack(), 1..8),
        room in 0..1000_usize,
    ) {
        let mut machine = Machine::new(features);
        machine.console.room = room;
        for attack in &attacks {
            write(&machine.rx, attack, 0);
            write(&machine.tx, attack, 1);
            machine.memory.noise.set(attack.noise);
            machine.console.input.extend([b'x'; 40]);
            for _ in 0..8 {
                let fault = machine.run(attack.noise & 1 != 0).fault;
                if fault.is_some() {
                    prop_assert_eq!(machine.run(true), TerminalOutcome::default());
                }
            }
        }
        // After a reset it works.
        machine.memory.noise.set(0);
        let mut good = Machine::new(features);
        std::mem::swap(&mut good.terminal, &mut machine.terminal);
        let queues = [good.rx.queue().unwrap(), good.tx.queue().unwrap()];
        prop_assert_eq!(good.terminal.attach(Some(queues)), Ok(()));
        good.send(b"good\n", &[5], false);
        prop_assert!(good.run(false).signal);
        prop_assert_eq!(good.console.output, b"good\n");
    }
}
