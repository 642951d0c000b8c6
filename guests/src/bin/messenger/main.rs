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

#![no_std]
#![no_main]

mod packets;
mod storm;

use runtime::gic::Interrupt;
use runtime::tree::machine;
use runtime::virtio::Network;
use runtime::{fail, guest};

guest!(main, interrupt);

fn main() {
    let name = machine().argument("link").unwrap_or("lan");
    let Some(link) = machine().link(name) else { fail!("there is no link {name}") };
    let Some(network) = Network::open(link) else { fail!("the link {name} is no network") };
    match machine().number("storm") {
        Some(frames) => storm::run(network, frames),
        None => packets::answer(network, link.interrupt),
    }
}

/// Notes the card's interrupt, which the loop that waits for it handles.
fn interrupt(interrupt: Interrupt) {
    packets::wake(interrupt);
}
