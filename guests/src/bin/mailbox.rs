//! Exchanges messages with other partitions through memory that they share. Command line:
//!
//! - `link=NAME`: the link (`frames`).
//! - `storm=N`: sends N messages to each of the others as fast as it can, checks those that arrive,
//!   and resets itself. With `last` it goes on until the others have been away for two seconds; with
//!   `end` it only receives, until nothing has come for two seconds.
//! - `hostile=NAME`: is rung through this memory too, which it does not read.
//! - `answer=N`: answers messages with each word increased by one, asleep between the bells, until N
//!   were answered.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use runtime::gic::{self, Interrupt};
use runtime::mailbox::{Mailbox, Message, WORDS};
use runtime::tree::{SharedMemory, machine};
use runtime::{cpu, fail, guest, println, psci, timer};

guest!(main, interrupt);

/// How long a life of `storm` waits for room, in microseconds, before it gives up.
const PATIENCE: u64 = 100_000;
/// How long the others have to be away at the end, in microseconds.
const AWAY: u64 = 2_000_000;

/// Whether the doorbell has interrupted since the last look, and how often it has.
static WOKEN: AtomicBool = AtomicBool::new(false);
static BELLS: AtomicU64 = AtomicU64::new(0);

fn main() {
    let name = machine().argument("link").unwrap_or("frames");
    let Some(shared) = machine().shared_memory().find(|it| it.name == name) else {
        fail!("there is no shared memory {name}")
    };
    let Some(mailbox) = Mailbox::open(shared) else { fail!("{name} is too small") };
    let SharedMemory { memory, port, ports, .. } = shared;
    println!(
        "mailbox: {name} at {:#x}, {} bytes, port {port} of {ports}",
        memory.base, memory.size
    );
    gic::enable(shared.interrupt);
    mailbox.enable(true);
    cpu::unmask_interrupts();
    if let Some(name) = machine().argument("hostile") {
        let Some(other) = machine().shared_memory().find(|it| it.name == name) else {
            fail!("there is no shared memory {name}")
        };
        gic::enable(other.interrupt);
        Mailbox::open(other).inspect(|it| it.enable(true));
    }
    match (machine().number("storm"), machine().number("answer")) {
        (Some(messages), _) => storm(&mailbox, messages),
        (None, Some(messages)) => answer(&mailbox, messages),
        (None, None) => fail!("give storm=N or answer=N"),
    }
}

/// Counts a bell.
fn interrupt(_: Interrupt) {
    BELLS.fetch_add(1, Ordering::Relaxed);
    WOKEN.store(true, Ordering::Release);
}

/// Returns the number of bells so far.
fn bells() -> u64 {
    BELLS.load(Ordering::Relaxed)
}

/// Returns the message with this number.
fn message(number: u32) -> Message {
    core::array::from_fn(|index| number.wrapping_mul(31).wrapping_add(index as u32))
}

/// Takes all messages that have arrived, and checks them. Returns how many there were.
fn take_all(mailbox: &Mailbox) -> u64 {
    let mut count = 0;
    for other in mailbox.others() {
        loop {
            match mailbox.take(other) {
                Ok(None) => break,
                Ok(Some(content)) => {
                    // Each begins with the number that makes up the rest.
                    if content != message(content[0].wrapping_mul(INVERSE)) {
                        fail!("a message from port {other} is {content:x?}");
                    }
                    count += 1;
                }
                Err(wrong) => fail!("what port {other} has sent is wrong: {wrong:?}"),
            }
        }
    }
    count
}

/// The inverse of 31 modulo 2^32, by which a message's first word gives its number.
const INVERSE: u32 = 3_186_588_639;
const _: () = assert!(31_u32.wrapping_mul(INVERSE) == 1 && WORDS == 14);

fn storm(mailbox: &Mailbox, messages: u64) {
    let starts = mailbox.count_start();
    let mut received = 0;
    for _ in 0..messages {
        for other in mailbox.others() {
            let sent = timer::within(PATIENCE, || {
                received += take_all(mailbox);
                mailbox.send(other, &message(mailbox.sent(other)))
            });
            if sent {
                mailbox.ring(other);
            }
        }
    }
    let goes_on = machine().argument("last").is_some();
    if !goes_on && machine().argument("end").is_none() {
        let all: u64 = mailbox.others().map(|it| u64::from(mailbox.received(it).1)).sum();
        let bells = bells();
        println!("mailbox: life {starts}, received {received}, {all} in all, {bells} bells");
        psci::system_reset();
    }
    let mut total = received;
    let mut seen = timer::now();
    while timer::now() - seen < timer::microseconds(AWAY) {
        let count = take_all(mailbox);
        total += count;
        if count > 0 || goes_on && mailbox.others().any(|other| mailbox.is_ready(other)) {
            seen = timer::now();
        }
        for other in mailbox.others().filter(|_| goes_on) {
            if mailbox.send(other, &message(mailbox.sent(other))) {
                mailbox.ring(other);
            }
        }
    }
    let sum = |of: &dyn Fn(u32) -> u32| mailbox.others().map(|it| u64::from(of(it))).sum::<u64>();
    let (lives, sent) = (sum(&|it| mailbox.starts(it)), sum(&|it| mailbox.received(it).0));
    println!("mailbox: received {total} of {sent} messages of {lives} lives, {} bells", bells());
}

fn answer(mailbox: &Mailbox, messages: u64) {
    let mut answered = 0;
    while answered < messages {
        cpu::wait_until(|| WOKEN.swap(false, Ordering::AcqRel));
        for other in mailbox.others() {
            loop {
                match mailbox.take(other) {
                    Ok(None) => break,
                    Ok(Some(content)) => {
                        if mailbox.send(other, &content.map(|word| word.wrapping_add(1))) {
                            mailbox.ring(other);
                            answered += 1;
                        }
                    }
                    Err(wrong) => fail!("what port {other} has sent is wrong: {wrong:?}"),
                }
            }
        }
    }
    println!("mailbox: answered {answered} messages, woken by {} bells", bells());
}
