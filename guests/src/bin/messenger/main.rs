//! Talks to other partitions over a network.
//!
//! Command line: `link=NAME` (lan), and one of
//!
//! - `address=A.B.C.D`: answers ARP and ping, and UDP by the same bytes; `send=A.B.C.D:PORT` also
//!   sends a datagram with its number every `period-ms=N` (1000). Ends after `packets=N` answers, or
//!   never.
//! - `storm=N`: sends N numbered frames of all sizes as fast as the peer takes them, and checks the
//!   frames that it receives. Then it resets itself, or with `last` stays until the peer has been
//!   away for five seconds. `ignore` ignores other frames, such as those of an attacker.
//!
//! Or `lines=N`: prints N numbered lines on the virtio console, as fast as it takes them, and resets
//! itself, with `last` powers off.

#![no_std]
#![no_main]

mod packets;
mod storm;

use core::fmt::Write;

use runtime::gic::Interrupt;
use runtime::tree::machine;
use runtime::virtio::{Network, Terminal};
use runtime::{fail, guest, psci};

guest!(main, interrupt);

fn main() {
    if let Some(lines) = machine().number("lines") {
        return print(lines);
    }
    let name = machine().argument("link").unwrap_or("lan");
    let Some(link) = machine().link(name) else { fail!("there is no link {name}") };
    let Some(network) = Network::open(link) else { fail!("the link {name} is no network") };
    match machine().number("storm") {
        Some(frames) => storm::run(network, frames),
        None => packets::answer(network, link.interrupt),
    }
}

/// Prints numbered lines of many lengths, in several buffers each, and resets the machine.
fn print(lines: u64) {
    let Some(mut terminal) = Terminal::open() else { fail!("there is no virtio console") };
    let text = str::from_utf8(&[b'.'; 96]).unwrap_or_default();
    for line in 1..=lines {
        let rest = &text[..(line as usize * 37) % text.len()];
        if write!(terminal, "messenger: line {line} of {lines} {rest}").is_err() {
            fail!("a line cannot be written");
        }
        while !terminal.send(b"\r\n") {}
    }
    terminal.flush();
    if machine().argument("last").is_none() {
        psci::system_reset();
    }
}

/// Notes the card's interrupt, which the loop that waits for it handles.
fn interrupt(interrupt: Interrupt) {
    packets::wake(interrupt);
}
